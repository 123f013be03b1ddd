/** Container statuses as the API shows them, from what the runtime has, what the API said before, and why a container waits. */
import type { ContainerState, ContainerStatus, Pod, ResourceRequirements } from '../../api/index.ts';
import { type AnyContainer, type ContainerSort, isSidecar, restartsAfter } from '../pod/containers.ts';
import type { ObservedContainer, ObservedPod } from '../pod/observed-pod.ts';
import { removedForRestart } from '../pod/restart-all.ts';

/** Why a container that should run does not. */
export interface WaitingReason {
  reason: string;
  message: string;
}

export interface ContainerStatusSources {
  runtimeName: string;
  observed: ObservedPod | undefined;
  waiting(container: string): WaitingReason | undefined;
  /** What the container left in its termination message file, or its log. */
  terminationMessage(container: ObservedContainer): string;
  probes: { started(containerId: string): boolean; ready(containerId: string): boolean };
  /** All containers of the pod start again: those that the runtime no longer has were removed for it. */
  restartsAll?: boolean;
  /** What a running container has, where that may differ from what it was promised. */
  resourcesOf?(containerId: string): ResourceRequirements | undefined;
}

export const rfc3339 = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;

function stateOf(container: ObservedContainer, sources: ContainerStatusSources): ContainerState {
  const containerID = `${sources.runtimeName}://${container.id}`;
  if (container.state === 'running') return { running: { startedAt: rfc3339(container.startedAtMs) } };
  if (container.state !== 'exited') return { waiting: {} };
  const message = container.message || sources.terminationMessage(container);
  return {
    terminated: {
      exitCode: container.exitCode,
      ...(container.exitCode > 128 && container.exitCode < 160 && container.reason === '' ? { signal: container.exitCode - 128 } : {}),
      reason: container.reason || (container.exitCode === 0 ? 'Completed' : 'Error'),
      ...(message ? { message } : {}),
      startedAt: rfc3339(container.startedAtMs),
      finishedAt: rfc3339(container.finishedAtMs),
      containerID,
    },
  };
}

const lost = {
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
  exitCode: 137,
};

/** The status of a container of which the runtime has nothing. */
function absentStatus(
  pod: Pod,
  container: AnyContainer,
  sort: ContainerSort,
  previous: ContainerStatus | undefined,
  waiting: string,
  restartsAll: boolean,
): ContainerStatus {
  const base: ContainerStatus = {
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    ready: false,
    restartCount: previous?.restartCount ?? 0,
    state: { waiting: { reason: waiting } },
    lastState: previous?.lastState ?? {},
  };
  if (!previous) return base;
  const { state = {}, containerID } = previous;
  if (restartsAll && sort !== 'ephemeral' && (state.running || state.terminated))
    return {
      ...base,
      restartCount: base.restartCount + 1,
      state: { waiting: { ...removedForRestart } },
      lastState: { terminated: { ...removedForRestart, exitCode: 137 } },
    };
  if (state.terminated && !restartsAfter(pod, container, sort, state.terminated.exitCode)) return { ...base, ...previous };
  if (state.terminated) return { ...base, lastState: state };
  if (!state.running) return base;
  const terminated = { ...lost, ...(containerID ? { containerID } : {}) };
  if (pod.metadata.deletionTimestamp || pod.spec.restartPolicy === 'Never')
    return { ...base, ...previous, ready: false, started: false, state: { terminated } };
  return { ...base, lastState: { terminated } };
}

export function containerStatus(
  pod: Pod,
  container: AnyContainer,
  sort: ContainerSort,
  previous: ContainerStatus | undefined,
  sources: ContainerStatusSources,
): ContainerStatus {
  const of = (sources.observed?.containers ?? []).filter((c) => c.name === container.name);
  const [newest, before] = of;
  const creating = (pod.spec.initContainers?.length ?? 0) > 0 ? 'PodInitializing' : 'ContainerCreating';
  const why = sources.waiting(container.name);
  if (!newest || newest.state === 'created' || newest.state === 'unknown') {
    const base = absentStatus(pod, container, sort, newest ? undefined : previous, creating, sources.restartsAll ?? false);
    const state = why && !base.state?.terminated ? { waiting: waitingState(why) } : (base.state ?? {});
    const lastState = before ? stateOf(before, sources) : newest ? lastSaid(newest, previous, sources) : (base.lastState ?? {});
    return { ...base, state, lastState, restartCount: Math.max(base.restartCount, newest?.restartCount ?? 0), started: false };
  }
  const started = newest.state === 'running' && sources.probes.started(newest.id);
  const succeeded = newest.state === 'exited' && newest.exitCode === 0;
  const serves = newest.state === 'running' && started && sources.probes.ready(newest.id);
  const ready = sort === 'init' && !isSidecar(container) ? succeeded : sort === 'ephemeral' ? false : serves;
  const status: ContainerStatus = {
    name: container.name,
    image: newest.image || (container.image ?? ''),
    imageID: newest.imageRef,
    containerID: `${sources.runtimeName}://${newest.id}`,
    ready,
    restartCount: newest.restartCount,
    state: stateOf(newest, sources),
    lastState: before ? stateOf(before, sources) : lastSaid(newest, previous, sources),
    ...(sort === 'ephemeral' ? {} : { started }),
    ...resourcesOf(container, newest, newest.state === 'running' ? sources.resourcesOf?.(newest.id) : undefined),
  };
  // One that is about to run again waits, with the reason why not yet; what ended is then its last state.
  if (newest.state === 'exited' && why && (isSidecar(container) || restartsAfter(pod, container, sort, newest.exitCode))) {
    return { ...status, lastState: status.state ?? {}, state: { waiting: waitingState(why) }, ready: false };
  }
  return status;
}

/** How the run before this one ended, of which the runtime has nothing any more, as far as it was said. */
function lastSaid(
  newest: ObservedContainer,
  previous: ContainerStatus | undefined,
  { runtimeName }: ContainerStatusSources,
): ContainerState {
  const { terminated } = previous?.state ?? {};
  return terminated && previous?.containerID !== `${runtimeName}://${newest.id}` ? { terminated } : (previous?.lastState ?? {});
}

const waitingState = ({ reason, message }: WaitingReason) => ({ reason, ...(message ? { message } : {}) });

function resourcesOf(
  container: AnyContainer,
  observed: ObservedContainer,
  actual: ResourceRequirements = container.resources ?? {},
): Partial<ContainerStatus> {
  const { requests, limits } = actual;
  const allocated = container.resources?.requests;
  const user = observed.status.user?.linux;
  return {
    ...(allocated ? { allocatedResources: allocated } : {}),
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
    ...(user ? { user: { linux: { uid: user.uid ?? 0, gid: user.gid ?? 0, supplementalGroups: user.supplementalGroups ?? [] } } } : {}),
    ...(container.volumeMounts?.length
      ? {
          volumeMounts: container.volumeMounts.map(({ name, mountPath, readOnly, recursiveReadOnly }) => ({
            name,
            mountPath,
            ...(readOnly ? { readOnly, recursiveReadOnly: recursiveReadOnly === 'Enabled' ? 'Enabled' : 'Disabled' } : {}),
          })),
        }
      : {}),
  };
}
