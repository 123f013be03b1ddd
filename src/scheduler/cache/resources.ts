import type { Container, ContainerStatus, Pod, ResourceList } from '../../api/index.ts';
import { quantityMilliValue, quantityValue } from '../../api/index.ts';

/** Amounts as plain numbers: CPU in thousandths, all else in its own unit (bytes, devices). */
export class Resources {
  milliCpu = 0;
  memory = 0;
  ephemeralStorage = 0;
  /** How many pods the node takes; only in what nodes offer. */
  pods = 0;
  /** Extended resources, hugepages, attachable volumes. */
  scalars: Map<string, number> | undefined;

  get(name: string): number {
    switch (name) {
      case 'cpu':
        return this.milliCpu;
      case 'memory':
        return this.memory;
      case 'ephemeral-storage':
        return this.ephemeralStorage;
      case 'pods':
        return this.pods;
      default:
        return this.scalars?.get(name) ?? 0;
    }
  }

  set(name: string, amount: number): void {
    switch (name) {
      case 'cpu':
        this.milliCpu = amount;
        break;
      case 'memory':
        this.memory = amount;
        break;
      case 'ephemeral-storage':
        this.ephemeralStorage = amount;
        break;
      case 'pods':
        this.pods = amount;
        break;
      default:
        this.scalars ??= new Map();
        this.scalars.set(name, amount);
    }
  }

  /** Adds `other` as often as `sign` says. */
  add(other: Resources, sign: 1 | -1 = 1): void {
    this.milliCpu += sign * other.milliCpu;
    this.memory += sign * other.memory;
    this.ephemeralStorage += sign * other.ephemeralStorage;
    if (other.scalars) for (const [name, amount] of other.scalars) this.set(name, this.get(name) + sign * amount);
  }

  clone(): Resources {
    const copy = new Resources();
    copy.milliCpu = this.milliCpu;
    copy.memory = this.memory;
    copy.ephemeralStorage = this.ephemeralStorage;
    copy.pods = this.pods;
    if (this.scalars) copy.scalars = new Map(this.scalars);
    return copy;
  }
}

/** Reads a resource list; CPU in thousandths. */
export function resourcesOf(list: ResourceList | undefined): Resources {
  const resources = new Resources();
  for (const name in list) {
    const text = list[name];
    if (text !== undefined) resources.set(name, amountOf(name, text));
  }
  return resources;
}

function amountOf(name: string, text: string): number {
  return name === 'cpu' ? quantityMilliValue(text) : quantityValue(text);
}

type Amounts = Map<string, number>;

/** What scoring takes a container for that asks for none, lest nodes fill up with such containers. */
const assumedRequests: readonly (readonly [string, number])[] = [
  ['cpu', 100],
  ['memory', 200 * 1024 * 1024],
];

/**
 * What a pod needs of its node (KEP-753): containers and sidecars together, or the greatest step of its start, whichever is
 * more; requests of the pod as a whole (KEP-2837) over those of its containers; and overhead. While a pod is being resized in
 * place, the greater of what it has and what it wants counts (KEP-1287). With `assumed`, containers without a request count as small ones.
 */
export function podRequests(pod: Pod, assumed = false): Resources {
  const { spec, status } = pod;
  const wholePod = spec.resources?.requests;
  const infeasible = isResizeInfeasible(pod);
  const requestsOf = (container: Container, statuses: ContainerStatus[] | undefined): Amounts => {
    const amounts = containerRequests(container, statuses, infeasible);
    if (assumed)
      for (const [name, amount] of assumedRequests) if (!amounts.has(name) && wholePod?.[name] === undefined) amounts.set(name, amount);
    return amounts;
  };

  const sum: Amounts = new Map();
  for (const container of spec.containers) addAll(sum, requestsOf(container, status?.containerStatuses));
  const sidecars: Amounts = new Map();
  const start: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = requestsOf(container, status?.initContainerStatuses);
    const step = new Map(sidecars);
    addAll(step, own);
    if (container.restartPolicy === 'Always') {
      addAll(sidecars, own);
      addAll(sum, own);
    }
    atLeast(start, step);
  }
  atLeast(sum, start);
  for (const name in wholePod) sum.set(name, amountOf(name, wholePod[name] ?? '0'));
  const { overhead } = spec;
  for (const name in overhead) sum.set(name, (sum.get(name) ?? 0) + amountOf(name, overhead[name] ?? '0'));

  const resources = new Resources();
  for (const [name, amount] of sum) if (name !== 'pods') resources.set(name, amount);
  return resources;
}

function containerRequests(container: Container, statuses: ContainerStatus[] | undefined, infeasible: boolean): Amounts {
  const amounts: Amounts = new Map();
  const requests = container.resources?.requests;
  for (const name in requests) amounts.set(name, amountOf(name, requests[name] ?? '0'));
  const found = statuses?.find((s) => s.name === container.name);
  if (!found) return amounts;
  // What the kubelet will not grant does not count: only what it has granted does.
  if (infeasible && found.allocatedResources) amounts.clear();
  for (const list of [found.resources?.requests, found.allocatedResources]) {
    for (const name in list) amounts.set(name, Math.max(amounts.get(name) ?? 0, amountOf(name, list[name] ?? '0')));
  }
  return amounts;
}

function isResizeInfeasible(pod: Pod): boolean {
  return pod.status?.conditions?.some((c) => c.type === 'PodResizePending' && c.status === 'True' && c.reason === 'Infeasible') ?? false;
}

function addAll(sum: Amounts, amounts: Amounts): void {
  for (const [name, amount] of amounts) sum.set(name, (sum.get(name) ?? 0) + amount);
}

function atLeast(sum: Amounts, floor: Amounts): void {
  for (const [name, amount] of floor) if (amount > (sum.get(name) ?? 0)) sum.set(name, amount);
}
