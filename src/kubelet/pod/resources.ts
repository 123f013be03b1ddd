/** What a pod asks for and what that makes it: requests, limits and QoS class (KEP-753 for sidecars' share). */
import {
  addQuantities,
  type Container,
  compareQuantities,
  formatQuantity,
  type Pod,
  type PodQOSClass,
  type Quantity,
  type ResourceList,
  tryParseQuantity,
  zeroQuantity,
} from '../../api/index.ts';
import { isSidecar } from './containers.ts';

type Amounts = Map<string, Quantity>;

const read = (list: ResourceList | undefined): Amounts =>
  new Map(Object.entries(list ?? {}).map(([name, text]) => [name, tryParseQuantity(text) ?? zeroQuantity]));

function add(to: Amounts, more: Amounts): Amounts {
  const sum = new Map(to);
  for (const [name, amount] of more) sum.set(name, addQuantities(sum.get(name) ?? { ...zeroQuantity, format: amount.format }, amount));
  return sum;
}

function max(a: Amounts, b: Amounts): Amounts {
  const most = new Map(a);
  for (const [name, amount] of b) {
    const present = most.get(name);
    if (!present || compareQuantities(amount, present) > 0) most.set(name, amount);
  }
  return most;
}

function total(pod: Pod, of: 'requests' | 'limits', withOverhead: boolean): Amounts {
  const resources = (c: Container) => read(c.resources?.[of]);
  let sum: Amounts = new Map();
  for (const container of pod.spec.containers) sum = add(sum, resources(container));
  let sidecars: Amounts = new Map();
  let initPeak: Amounts = new Map();
  for (const container of pod.spec.initContainers ?? []) {
    if (isSidecar(container)) {
      sidecars = add(sidecars, resources(container));
      initPeak = max(initPeak, sidecars);
    } else initPeak = max(initPeak, add(sidecars, resources(container)));
  }
  sum = max(add(sum, sidecars), initPeak);
  for (const [name, amount] of read(pod.spec.resources?.[of])) sum.set(name, amount);
  if (withOverhead) {
    for (const [name, amount] of read(pod.spec.overhead)) if (of === 'requests' || sum.has(name)) sum = add(sum, new Map([[name, amount]]));
  }
  return sum;
}

/** The pod's effective requests: the greater of what its containers need together and what an init container needs, and overhead. */
export function podRequests(pod: Pod): Amounts {
  return total(pod, 'requests', true);
}

export function podLimits(pod: Pod): Amounts {
  return total(pod, 'limits', true);
}

export function toResourceList(amounts: Amounts): ResourceList {
  return Object.fromEntries([...amounts].map(([name, amount]) => [name, formatQuantity(amount)]));
}

const qosResources = ['cpu', 'memory'];

/** Guaranteed: every container has limits for CPU and memory that equal its requests; BestEffort: none asks for anything; else Burstable. */
export function qosClass(pod: Pod): PodQOSClass {
  if (pod.status?.qosClass) return pod.status.qosClass;
  const containers: { resources?: Container['resources'] }[] = pod.spec.resources
    ? [pod.spec]
    : [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  let asks = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    for (const name of qosResources) {
      const request = resources?.requests?.[name];
      const limit = resources?.limits?.[name];
      const positive = (text: string | undefined) => text !== undefined && compareQuantities(text, zeroQuantity) > 0;
      if (positive(request) || positive(limit)) asks = true;
      if (!positive(limit) || (request !== undefined && compareQuantities(request, limit ?? '0') !== 0)) guaranteed = false;
    }
  }
  return !asks ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}
