/** What a pod asks for as a whole, and its quality of service (upstream: component-helpers/resource, apis/core/helper/qos). */
import type { Container, Pod, PodQOSClass, PodSpec, ResourceList, ResourceRequirements } from '../generated/core.v1.ts';
import { addQuantities, compareQuantities, formatQuantity, type Quantity, tryParseQuantity, zeroQuantity } from '../quantity.ts';

type Sums = Map<string, Quantity>;

function addTo(sums: Sums, list: ResourceList | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    const value = tryParseQuantity(text);
    if (value) sums.set(name, addQuantities(sums.get(name) ?? zeroQuantity, value));
  }
}

function raiseTo(sums: Sums, other: Sums): void {
  for (const [name, value] of other) {
    const known = sums.get(name);
    if (!known || compareQuantities(value, known) > 0) sums.set(name, value);
  }
}

/** A sidecar: an init container that keeps running. */
export const isSidecar = (container: Container) => container.restartPolicy === 'Always';

function aggregate(spec: PodSpec, listOf: (resources: ResourceRequirements) => ResourceList | undefined): ResourceList {
  const total: Sums = new Map();
  for (const container of spec.containers ?? []) addTo(total, container.resources && listOf(container.resources));
  // Init containers run one after the other, beside the sidecars started before them; sidecars stay beside the containers.
  const sidecars: Sums = new Map();
  const peak: Sums = new Map();
  for (const container of spec.initContainers ?? []) {
    const list = container.resources && listOf(container.resources);
    if (isSidecar(container)) {
      addTo(sidecars, list);
      addTo(total, list);
      raiseTo(peak, sidecars);
    } else {
      const now: Sums = new Map(sidecars);
      addTo(now, list);
      raiseTo(peak, now);
    }
  }
  raiseTo(total, peak);
  return Object.fromEntries([...total].map(([name, value]) => [name, formatQuantity(value)]));
}

/** The most that a pod's containers request at any time, by resource. */
export function aggregateContainerRequests(spec: PodSpec): ResourceList {
  return aggregate(spec, (resources) => resources.requests);
}

/** The most that a pod's containers may use at any time, by resource. */
export function aggregateContainerLimits(spec: PodSpec): ResourceList {
  return aggregate(spec, (resources) => resources.limits);
}

const qosResources = ['cpu', 'memory'];

function positive(list: ResourceList | undefined, name: string): Quantity | undefined {
  const text = list?.[name];
  const value = text === undefined ? undefined : tryParseQuantity(text);
  return value && value.nano > 0n ? value : undefined;
}

/**
 * Guaranteed: every container (or the pod as a whole) has limits for cpu and memory that equal its requests. BestEffort: none
 * asks for anything. Burstable: all else.
 */
export function computePodQos(pod: Pick<Pod, 'spec'>): PodQOSClass {
  const { spec } = pod;
  const podLevel = spec.resources;
  const isPodLevel = podLevel !== undefined && Object.keys({ ...podLevel.limits, ...podLevel.requests }).length > 0;
  const all: ResourceRequirements[] = isPodLevel
    ? [podLevel]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.resources ?? {});
  const requests: Sums = new Map();
  const limits: Sums = new Map();
  let isGuaranteed = true;
  for (const resources of all) {
    for (const name of qosResources) {
      const request = positive(resources.requests, name);
      const limit = positive(resources.limits, name);
      if (request) requests.set(name, addQuantities(requests.get(name) ?? zeroQuantity, request));
      if (limit) limits.set(name, addQuantities(limits.get(name) ?? zeroQuantity, limit));
      else isGuaranteed = false;
    }
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  const areEqual = [...requests].every(([name, request]) => {
    const limit = limits.get(name);
    return limit !== undefined && compareQuantities(limit, request) === 0;
  });
  return isGuaranteed && areEqual && requests.size === limits.size ? 'Guaranteed' : 'Burstable';
}
