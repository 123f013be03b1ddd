/** What a pod asks for as a whole, and its quality of service (upstream: component-helpers/resource, apis/core/helper/qos). */
import type { Container, ContainerStatus, Pod, PodQOSClass, PodSpec, ResourceList, ResourceRequirements } from '../generated/core.v1.ts';
import { addQuantities, compareQuantities, formatQuantity, type Quantity, tryParseQuantity, zeroQuantity } from '../quantity.ts';

/** Quantities by resource. */
export type Amounts = ReadonlyMap<string, Quantity>;
type Sums = Map<string, Quantity>;

function addTo(sums: Sums, list: ResourceList | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    const value = tryParseQuantity(text);
    if (value) sums.set(name, addQuantities(sums.get(name) ?? zeroQuantity, value));
  }
}

function raiseTo(sums: Sums, other: Amounts): void {
  for (const [name, value] of other) {
    const known = sums.get(name);
    if (!known || compareQuantities(value, known) > 0) sums.set(name, value);
  }
}

/** A sidecar: an init container that keeps running. */
export const isSidecar = (container: Container) => container.restartPolicy === 'Always';

function aggregate(spec: PodSpec, listOf: (resources: ResourceRequirements) => ResourceList | undefined): Sums {
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
  return total;
}

/** Amounts as the API writes them. */
export function toResourceList(amounts: Amounts): ResourceList {
  return Object.fromEntries([...amounts].map(([name, value]) => [name, formatQuantity(value)]));
}

/** The most that a pod's containers request at any time, by resource. */
export function aggregateContainerRequests(spec: PodSpec): ResourceList {
  return toResourceList(aggregate(spec, (resources) => resources.requests));
}

/** The most that a pod's containers may use at any time, by resource. */
export function aggregateContainerLimits(spec: PodSpec): ResourceList {
  return toResourceList(aggregate(spec, (resources) => resources.limits));
}

/** Requests of the pod as a whole (KEP-2837) stand over those of its containers. */
function setTo(sums: Sums, list: ResourceList | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    const value = tryParseQuantity(text);
    if (value) sums.set(name, value);
  }
}

/** What a pod asks its node for: its containers, or what it says for them all, and overhead. */
export function podRequests(spec: PodSpec): Amounts {
  const total = aggregate(spec, (resources) => resources.requests);
  setTo(total, spec.resources?.requests);
  addTo(total, spec.overhead);
  return total;
}

/** What a pod may use: its containers, or what it says for them all, and overhead where there is a limit to add it to. */
export function podLimits(spec: PodSpec): Amounts {
  const total = aggregate(spec, (resources) => resources.limits);
  setTo(total, spec.resources?.limits);
  addTo(total, Object.fromEntries(Object.entries(spec.overhead ?? {}).filter(([name]) => total.has(name))));
  return total;
}

function larger(...lists: (ResourceList | undefined)[]): ResourceList {
  const most: Record<string, string> = {};
  for (const list of lists)
    for (const [name, amount] of Object.entries(list ?? {}))
      if (most[name] === undefined || compareQuantities(amount, most[name]) > 0) most[name] = amount;
  return most;
}

/**
 * The spec with what its containers have: while a pod is being resized in place, the greater of what it has and what it wants counts
 * (KEP-1287); of what its node can't do, what it has alone.
 */
export function specWithHeld({ spec, status }: Pod): PodSpec {
  const isInfeasible = status?.conditions?.some(
    ({ type, status: state, reason }) => type === 'PodResizePending' && state === 'True' && reason === 'Infeasible',
  );
  const held = (container: Container, statuses: readonly ContainerStatus[] | undefined): Container => {
    const found = statuses?.find(({ name }) => name === container.name);
    if (found?.resources === undefined) return container;
    const { requests, limits } = container.resources ?? {};
    return {
      ...container,
      resources: {
        ...container.resources,
        requests: larger(isInfeasible ? undefined : requests, found.resources.requests, found.allocatedResources),
        limits: larger(isInfeasible ? undefined : limits, found.resources.limits),
      },
    };
  };
  if (status?.containerStatuses === undefined && status?.initContainerStatuses === undefined) return spec;
  return {
    ...spec,
    containers: spec.containers.map((container) => held(container, status.containerStatuses)),
    ...(spec.initContainers
      ? { initContainers: spec.initContainers.map((c) => (isSidecar(c) ? held(c, status.initContainerStatuses) : c)) }
      : {}),
  };
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
