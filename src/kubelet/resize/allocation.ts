/**
 * What a node has promised a pod's containers (KEP-1287). A pod's spec says what is wanted; until the node has agreed to a change,
 * the pod runs, and counts against the node, with its allocation.
 */
import {
  type Container,
  type ContainerStatus,
  compareQuantities,
  type Pod,
  type ResourceList,
  type ResourceRequirements,
} from '../../api/index.ts';
import { isSidecar } from '../pod/containers.ts';

/** Resources by container name, of those containers that can be resized. */
export type Allocation = ReadonlyMap<string, ResourceRequirements>;

const resizableResources = ['cpu', 'memory'] as const;

export const isResizable = (container: Container, init: boolean) => !init || isSidecar(container);

export function* resizableContainers(pod: Pod): Generator<Container> {
  for (const container of pod.spec.initContainers ?? []) if (isResizable(container, true)) yield container;
  yield* pod.spec.containers;
}

const sameAmount = (a: string | undefined, b: string | undefined) => a === b || (!!a && !!b && compareQuantities(a, b) === 0);

/** Which of cpu and memory differ, in requests or limits. */
export function differing(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): ('cpu' | 'memory')[] {
  return resizableResources.filter(
    (name) => !sameAmount(a?.requests?.[name], b?.requests?.[name]) || !sameAmount(a?.limits?.[name], b?.limits?.[name]),
  );
}

/** What the spec asks for. */
export function allocationOf(pod: Pod): Map<string, ResourceRequirements> {
  return new Map([...resizableContainers(pod)].map((container) => [container.name, container.resources ?? {}]));
}

/** What an earlier kubelet of this node had promised, as far as the status tells. */
export function allocationFromStatus(pod: Pod): Map<string, ResourceRequirements> {
  const allocation = allocationOf(pod);
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const { name, allocatedResources, resources } of statuses) {
    const wanted = allocation.get(name);
    if (!wanted || !allocatedResources) continue;
    // The promised limits are not told; where the requests are those of the spec, so are the limits.
    const settled = differing({ requests: allocatedResources }, { requests: wanted.requests ?? {} }).length === 0;
    const limits = settled ? wanted.limits : resources?.limits;
    allocation.set(name, { ...wanted, requests: allocatedResources, ...(limits ? { limits } : {}) });
  }
  return allocation;
}

/** The pod with the promised resources in place of the wanted ones; the same object where they are the same. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  const differs = [...resizableContainers(pod)].some(({ name, resources }) => differing(resources, allocation.get(name)).length > 0);
  if (!differs) return pod;
  const replace = (init: boolean) => (container: Container) => {
    const resources = allocation.get(container.name);
    return resources && isResizable(container, init) ? { ...container, resources } : container;
  };
  const { initContainers } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(initContainers ? { initContainers: initContainers.map(replace(true)) } : {}),
      containers: pod.spec.containers.map(replace(false)),
    },
  };
}

function larger(a: ResourceList = {}, b: ResourceList = {}): ResourceList {
  const out: ResourceList = { ...a };
  for (const [name, amount] of Object.entries(b)) if (!out[name] || compareQuantities(amount, out[name]) > 0) out[name] = amount;
  return out;
}

/** Room for either of two allocations: what the pod's cgroup must allow while its containers go from one to the other. */
export function largestOf(a: Allocation, b: Allocation): Allocation {
  return new Map(
    [...a].map(([name, one]) => {
      const other = b.get(name);
      // What has no limit is larger than any.
      const limits = Object.fromEntries(
        Object.entries(larger(one.limits, other?.limits)).filter(
          ([resource]) => one.limits?.[resource] && (!other || other.limits?.[resource]),
        ),
      );
      return [name, { ...one, requests: larger(one.requests, other?.requests), limits }];
    }),
  );
}

/** What a status says that a container has. */
export const resourcesInStatus = (statuses: readonly ContainerStatus[] | undefined, containerID: string) =>
  statuses?.find((status) => status.containerID === containerID)?.resources;
