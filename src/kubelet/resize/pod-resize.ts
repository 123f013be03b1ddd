/** Resizing a pod in place: agreeing to what its spec wants now, and bringing its running containers there (KEP-1287). */
import type { Pod, PodCondition, ResourceRequirements } from '../../api/index.ts';
import type { PodCgroups } from '../cgroups/pod-cgroups.ts';
import { linuxResources, memoryBytes } from '../containers/linux-resources.ts';
import type { KubeletContext } from '../context.ts';
import { newestContainer, type ObservedContainer, type ObservedPod } from '../pod/observed-pod.ts';
import {
  type Allocation,
  allocationFromStatus,
  allocationOf,
  differing,
  largestOf,
  resizableContainers,
  resourcesInStatus,
  withAllocation,
} from './allocation.ts';

/** Why a node does not give a pod what it wants: later perhaps, or never. */
export interface ResizeRefusal {
  reason: 'Deferred' | 'Infeasible';
  message: string;
}

export type ResizeCondition = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message' | 'observedGeneration'>;

export interface PodResize {
  /** The pod as it is promised. */
  allocated(desired: Pod): Pod;
  /** Notes what runs; new containers run with what was promised when they began. */
  note(observed: ObservedPod | undefined): void;
  /** Promises what the spec wants now where the node has it. Answers the pod to run. */
  agree(desired: Pod): Pod;
  /** Whether a running container can only get its resources by a restart. */
  restarts(container: ObservedContainer): boolean;
  /** Gives running containers what they were promised, where that needs no restart. */
  actuate(pod: Pod, observed: ObservedPod | undefined, signal: AbortSignal): Promise<void>;
  /** What a running container has. */
  resourcesOf(containerId: string): ResourceRequirements | undefined;
  conditions(): ResizeCondition[];
  /** The node may have room for it later. */
  readonly deferred: boolean;
}

interface Dependencies {
  context: Pick<KubeletContext, 'runtime' | 'events' | 'config' | 'logger'>;
  cgroups: PodCgroups;
  /** Whether the node has what the pod wants. */
  judge(desired: Pod): ResizeRefusal | undefined;
  cfsPeriodMicros: number;
}

/** `seen`: an earlier kubelet ran the pod already. */
export function podResize({ context, cgroups, judge, cfsPeriodMicros }: Dependencies, initial: Pod, seen: boolean): PodResize {
  const { runtime, events } = context;
  let allocation: Allocation = seen ? allocationFromStatus(initial) : allocationOf(initial);
  const actual = new Map<string, { id: string; resources: ResourceRequirements }>();
  let refusal: (ResizeRefusal & { generation: number }) | undefined;
  let underway: { generation: number; error?: string } | undefined;

  function tell(type: 'Normal' | 'Warning', reason: string, what: string, pod: Pod, generation: number, error?: string): void {
    const list = (containers: typeof pod.spec.containers | undefined) =>
      containers?.filter((c) => allocation.has(c.name)).map(({ name, resources }) => ({ name, resources: inOrder(resources) })) ?? [];
    const initContainers = list(pod.spec.initContainers);
    const summary = {
      ...(initContainers.length > 0 ? { initContainers } : {}),
      containers: list(pod.spec.containers),
      generation,
      ...(error ? { error } : {}),
    };
    events.pod(pod, type, reason, `Pod resize ${what}: ${JSON.stringify(summary)}`);
  }

  const differs = (a: Pod, b: Allocation) =>
    [...resizableContainers(a)].some(({ name, resources }) => differing(resources, b.get(name)).length > 0);
  const actualAllocation = (): Allocation =>
    new Map([...allocation].map(([name, promised]) => [name, actual.get(name)?.resources ?? promised]));

  function restarts(container: ObservedContainer, pod: Pod): boolean {
    const running = actual.get(container.name);
    if (running?.id !== container.id) return false;
    const changed = differing(running.resources, allocation.get(container.name));
    const policy = [...resizableContainers(pod)].find((c) => c.name === container.name)?.resizePolicy ?? [];
    return policy.some(
      ({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && changed.some((name) => name === resourceName),
    );
  }

  /** A limit below what is in use would kill the container. */
  async function refuseBelowUsage(id: string, limit: number, signal: AbortSignal): Promise<void> {
    const { stats } = await runtime.containerStats({ containerId: id }, { signal });
    const usage = Number(stats?.memory?.workingSetBytes?.value ?? 0);
    if (usage >= limit) throw new Error(`attempting to set container memory limit (${limit}) below current usage (${usage})`);
  }

  async function update(name: string, id: string, signal: AbortSignal): Promise<void> {
    const promised = allocation.get(name) ?? {};
    const before = actual.get(name)?.resources;
    const limit = memoryBytes(promised.limits);
    if (limit > 0 && limit < memoryBytes(before?.limits)) await refuseBelowUsage(id, limit, signal);
    const { oomScoreAdj: _, ...linux } = linuxResources(promised, {
      cfsQuota: context.config.cpuCFSQuota,
      cfsPeriodMicros,
      oomScoreAdj: 0,
    });
    await runtime.updateContainerResources({ containerId: id, linux }, { signal });
    actual.set(name, { id, resources: promised });
  }

  let latest = initial;
  return {
    allocated: (desired) => withAllocation(desired, allocation),
    note(observed) {
      for (const name of allocation.keys()) {
        const container = newestContainer(observed, name);
        if (container?.state !== 'running' || actual.get(name)?.id === container.id) continue;
        const containerID = `${runtime.name}://${container.id}`;
        const told = resourcesInStatus(
          [...(latest.status?.containerStatuses ?? []), ...(latest.status?.initContainerStatuses ?? [])],
          containerID,
        );
        actual.set(name, { id: container.id, resources: told ?? allocation.get(name) ?? {} });
      }
    },
    agree(desired) {
      latest = desired;
      const generation = desired.metadata.generation ?? 0;
      if (!differs(desired, allocation)) {
        refusal = undefined;
        return desired;
      }
      const refused = judge(desired);
      if (refused) {
        if (refusal?.reason !== refused.reason || refusal.generation !== generation)
          tell('Warning', `Resize${refused.reason}`, refused.reason, desired, generation, refused.message);
        refusal = { ...refused, generation };
        return withAllocation(desired, allocation);
      }
      refusal = undefined;
      allocation = allocationOf(desired);
      underway = { generation };
      tell('Normal', 'ResizeStarted', 'started', desired, generation);
      return desired;
    },
    restarts: (container) => restarts(container, latest),
    async actuate(pod, observed, signal) {
      const changed = [...actual].filter(([name, { id, resources }]) => {
        const container = newestContainer(observed, name);
        return container?.id === id && container.state === 'running' && differing(resources, allocation.get(name)).length > 0;
      });
      if (!underway && changed.length === 0) return;
      const generation = underway?.generation ?? pod.metadata.generation ?? 0;
      underway ??= { generation };
      try {
        // A container may never be promised more than its pod has: the pod grows first and shrinks last.
        await cgroups.ensure(withAllocation(pod, largestOf(allocation, actualAllocation())));
        for (const [name, { id }] of changed) {
          const container = newestContainer(observed, name);
          if (container && !restarts(container, pod)) await update(name, id, signal);
        }
      } catch (error) {
        signal.throwIfAborted();
        const message = error instanceof Error ? error.message : String(error);
        if (underway.error !== message) tell('Warning', 'ResizeError', 'error', pod, generation, message);
        underway = { generation, error: message };
        throw error;
      }
      const left = [...resizableContainers(pod)].some(({ name }) => {
        const container = newestContainer(observed, name);
        return container?.state === 'running' && differing(actual.get(name)?.resources, allocation.get(name)).length > 0;
      });
      if (left) return;
      await cgroups.ensure(pod);
      underway = undefined;
      tell('Normal', 'ResizeCompleted', 'completed', pod, generation);
    },
    resourcesOf: (containerId) => [...actual.values()].find(({ id }) => id === containerId)?.resources,
    conditions() {
      const out: ResizeCondition[] = [];
      if (refusal) {
        const { reason, message, generation } = refusal;
        out.push({ type: 'PodResizePending', status: 'True', reason, message, observedGeneration: generation });
      }
      if (underway) {
        const { error, generation } = underway;
        const why = error ? { reason: 'Error', message: error } : {};
        out.push({ type: 'PodResizeInProgress', status: 'True', ...why, observedGeneration: generation });
      }
      return out;
    },
    get deferred() {
      return refusal?.reason === 'Deferred';
    },
  };
}

/** Limits before requests, as upstream's messages have them. */
const inOrder = (resources: ResourceRequirements = {}) => ({
  ...(resources.limits ? { limits: resources.limits } : {}),
  ...(resources.requests ? { requests: resources.requests } : {}),
});
