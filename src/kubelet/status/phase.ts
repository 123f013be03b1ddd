/** A pod's phase from its containers' statuses (upstream's getPhase). */
import type { ContainerStatus, Pod, PodPhase } from '../../api/index.ts';
import { isSidecar, restartsAfter } from '../pod/containers.ts';
import { removedForRestart } from '../pod/restart-all.ts';

const byName = (statuses: readonly ContainerStatus[] | undefined, name: string) => statuses?.find((s) => s.name === name);

/** `terminal`: the pod is ending and nothing of it will run again. */
export function podPhase(pod: Pod, init: readonly ContainerStatus[], regular: readonly ContainerStatus[], terminal: boolean): PodPhase {
  let pendingInit = 0;
  let runningInit = 0;
  let failedInit = false;
  for (const container of pod.spec.initContainers ?? []) {
    const status = byName(init, container.name);
    const { running, terminated, waiting } = status?.state ?? {};
    if (isSidecar(container)) {
      if (!(running && status?.started)) pendingInit += running || status?.lastState?.terminated || terminated ? 0 : 1;
      if (running && !status?.started && status?.restartCount === 0) pendingInit++;
      continue;
    }
    const ended = terminated ?? (waiting ? status?.lastState?.terminated : undefined);
    if (terminated && terminated.exitCode === 0) continue;
    const hasFailed = ended && ended.exitCode !== 0 && ended.reason !== removedForRestart.reason;
    if (hasFailed && !restartsAfter(pod, container, 'init', ended.exitCode)) failedInit = true;
    if (running) runningInit++;
    pendingInit++;
  }
  if (failedInit) return 'Failed';

  let running = 0;
  let waiting = 0;
  let stopped = 0;
  let succeeded = 0;
  let restarts = 0;
  for (const container of pod.spec.containers) {
    const status = byName(regular, container.name);
    const { state, lastState } = status ?? {};
    if (state?.running) running++;
    else if (state?.terminated) {
      stopped++;
      if (state.terminated.exitCode === 0) succeeded++;
      if (restartsAfter(pod, container, 'regular', state.terminated.exitCode)) restarts++;
    } else if (lastState?.terminated) {
      stopped++;
      restarts++;
    } else waiting++;
  }
  if (terminal) {
    if (running > 0) return 'Running';
    return stopped > 0 && stopped === succeeded && waiting === 0 && pendingInit === 0 ? 'Succeeded' : 'Failed';
  }
  // A pod that begins anew is pending again, whatever has run of it before.
  if (runningInit > 0 || (pendingInit > 0 && running === 0 && stopped === 0)) return 'Pending';
  if (waiting > 0) return 'Pending';
  if (running > 0 || restarts > 0) return 'Running';
  if (stopped === pod.spec.containers.length) return stopped === succeeded ? 'Succeeded' : 'Failed';
  return 'Pending';
}
