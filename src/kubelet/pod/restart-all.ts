/**
 * A pod whose containers all start again where they are, because one of them has ended in a way for which its rules ask that
 * (KEP-5532): what has run is killed and removed, then the pod begins anew with its first init container. Sandbox, addresses, volumes
 * and ephemeral containers stay.
 */
import type { Pod, PodStatus } from '../../api/index.ts';
import { type AnyContainer, restartsAllAfter } from './containers.ts';
import { newestContainer, type ObservedContainer, type ObservedPod } from './observed-pod.ts';

export const restartAllCondition = 'AllContainersRestarting';

/** What the status of a container says that was removed for this: why it waits, and how it ended. */
export const removedForRestart = {
  reason: 'RestartingAllContainers',
  message: 'The container is removed because RestartAllContainers in place',
};

const restartable = ({ spec }: Pod): AnyContainer[] => [...(spec.initContainers ?? []), ...spec.containers];

/** Whether a rule of the pod can ask for it. */
export function mayRestartAll(pod: Pod): boolean {
  return restartable(pod).some(({ restartPolicyRules }) => restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'));
}

/** Whether it has been said to be going on. */
export function saysRestartingAll(said: PodStatus | undefined): boolean {
  return said?.conditions?.some(({ type, status }) => type === restartAllCondition && status === 'True') ?? false;
}

/** Whether it is asked for, or was and has not been said to be done: the latter outlives a kubelet. */
export function isRestartingAll(pod: Pod, observed: ObservedPod | undefined, said: PodStatus | undefined): boolean {
  if (!mayRestartAll(pod)) return false;
  if (saysRestartingAll(said)) return true;
  return restartable(pod).some((container) => {
    const newest = newestContainer(observed, container.name);
    return newest?.state === 'exited' && restartsAllAfter(container, newest.exitCode);
  });
}

export interface Reset {
  /** Those whose end asked for it. They go last: until then a kubelet that starts anew finds the reason. */
  sources: ObservedContainer[];
  targets: ObservedContainer[];
}

/** All that has to go before the pod can begin anew. */
export function containersToReset(pod: Pod, observed: ObservedPod | undefined): Reset {
  const reset: Reset = { sources: [], targets: [] };
  for (const container of restartable(pod))
    for (const one of observed?.containers ?? []) {
      if (one.name !== container.name) continue;
      const asked = one.state === 'exited' && restartsAllAfter(container, one.exitCode);
      reset[asked ? 'sources' : 'targets'].push(one);
    }
  return reset;
}
