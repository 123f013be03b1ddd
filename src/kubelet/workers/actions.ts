/**
 * What a pod needs next: a pure function of what it wants and what is. Upstream's `computePodActions` with the rules for sidecars
 * (KEP-753), told in its own words.
 */
import type { Pod } from '../../api/index.ts';
import { containerHash } from '../containers/labels.ts';
import { type AnyContainer, type ContainerSort, isSidecar, restartsAfter } from '../pod/containers.ts';
import { isHostNetwork } from '../pod/identity.ts';
import { newestContainer, type ObservedContainer, type ObservedPod, type ObservedSandbox } from '../pod/observed-pod.ts';
import { containersToReset, type Reset } from '../pod/restart-all.ts';

export interface Start {
  container: AnyContainer;
  sort: ContainerSort;
}

export interface Kill {
  observed: ObservedContainer;
  container: AnyContainer;
  message: string;
  reason: 'LivenessProbe' | 'StartupProbe' | 'Changed' | 'Resized';
}

export interface PodActions {
  /** Stop everything of the present sandbox, and the sandbox. */
  killPod: boolean;
  createSandbox: boolean;
  /** The number of the sandbox to create. */
  attempt: number;
  /** The sandbox to use, where none is to be created. */
  sandbox: ObservedSandbox | undefined;
  kill: Kill[];
  start: Start[];
  /** What to kill and remove for all containers to start again; then there is nothing else to do yet. */
  reset?: Reset;
}

/** What probes have found out about a running container. */
export interface ProbeFindings {
  /** Which probe wants the container replaced. */
  failed(containerId: string): 'LivenessProbe' | 'StartupProbe' | undefined;
  /** Running, and past its startup probe. */
  started(containerId: string): boolean;
}

const messages = {
  LivenessProbe: (name: string) => `Container ${name} failed liveness probe, will be restarted`,
  StartupProbe: (name: string) => `Container ${name} failed startup probe, will be restarted`,
  Changed: (name: string) => `Container ${name} definition changed, will be restarted`,
  Resized: (name: string) => `Container ${name} resize requires restart`,
};

/** Whether a running container has to be replaced to get the resources that it was promised. */
export type ResizeNeeds = (container: ObservedContainer) => boolean;

export function podActions(
  pod: Pod,
  observed: ObservedPod | undefined,
  probes: ProbeFindings,
  resizes: ResizeNeeds = () => false,
  restartsAll = false,
): PodActions {
  const newest = observed?.sandboxes[0];
  const usable = newest?.ready && (isHostNetwork(pod) || newest.ips.length > 0);
  const attempt = newest ? newest.attempt + 1 : 0;
  const actions: PodActions = { killPod: false, createSandbox: false, attempt, sandbox: usable ? newest : undefined, kill: [], start: [] };
  if (restartsAll) return { ...actions, reset: containersToReset(pod, observed) };
  if (!usable) return withoutSandbox(pod, observed, actions);

  const inSandbox = (name: string) => {
    const container = newestContainer(observed, name);
    return container?.sandboxId === newest.id ? container : undefined;
  };
  for (const container of pod.spec.ephemeralContainers ?? []) {
    if (!newestContainer(observed, container.name)) actions.start.push({ container, sort: 'ephemeral' });
  }

  const initialized = pod.spec.containers.some((c) => inSandbox(c.name) !== undefined);
  const init = initActions(pod, inSandbox, probes, resizes, initialized);
  actions.kill.push(...init.kill);
  if (init.failed) return { ...actions, killPod: true, start: [] };
  if (!init.complete) {
    actions.start.push(...init.start);
    return actions;
  }

  let kept = 0;
  const starts: Start[] = [];
  for (const container of pod.spec.containers) {
    const present = newestContainer(observed, container.name);
    if (present?.state !== 'running') {
      // What was made but never ran, and what the runtime has lost, runs anew.
      const again = present?.state !== 'exited' || restartsAfter(pod, container, 'regular', present.exitCode);
      if (again) starts.push({ container, sort: 'regular' });
      continue;
    }
    const kill = reasonToKill(container, present, probes, resizes);
    if (!kill) kept++;
    else {
      actions.kill.push(kill);
      if (kill.reason === 'Changed' || kill.reason === 'Resized' || pod.spec.restartPolicy !== 'Never')
        starts.push({ container, sort: 'regular' });
    }
  }
  if (kept === 0 && starts.length === 0) return { ...actions, killPod: true, kill: [], start: [] };
  actions.start.push(...init.start, ...starts);
  return actions;
}

/** A pod without a usable sandbox: it gets a new one if anything of it has still to run. */
function withoutSandbox(pod: Pod, observed: ObservedPod | undefined, actions: PodActions): PodActions {
  actions.killPod = observed !== undefined;
  const ran = pod.spec.containers.map((container) => ({ container, last: newestContainer(observed, container.name) }));
  const pending = ran.filter(({ container, last }) => last?.state !== 'exited' || restartsAfter(pod, container, 'regular', last.exitCode));
  // Never: a pod whose containers have been made does not begin again with another sandbox.
  const neverAgain = pod.spec.restartPolicy === 'Never' && observed !== undefined && observed.containers.length > 0;
  if (pending.length === 0 || neverAgain) return actions;
  actions.createSandbox = true;
  const [firstInit] = pod.spec.initContainers ?? [];
  actions.start = firstInit
    ? [{ container: firstInit, sort: 'init' }]
    : pending.map(({ container }) => ({ container, sort: 'regular' as const }));
  return actions;
}

function initActions(
  pod: Pod,
  inSandbox: (name: string) => ObservedContainer | undefined,
  probes: ProbeFindings,
  resizes: ResizeNeeds,
  initialized: boolean,
): { complete: boolean; failed: boolean; start: Start[]; kill: Kill[] } {
  const start: Start[] = [];
  const kill: Kill[] = [];
  for (const container of pod.spec.initContainers ?? []) {
    const present = inSandbox(container.name);
    const next: Start = { container, sort: 'init' };
    if (isSidecar(container)) {
      const doomed = present?.state === 'running' ? reasonToKill(container, present, probes, resizes) : undefined;
      if (doomed) kill.push(doomed);
      if (present?.state !== 'running' || doomed) start.push(next);
      // Those after it wait until it has started once; later it comes and goes on its own.
      const hasStarted = present?.state === 'running' && !doomed && probes.started(present.id);
      if (!hasStarted && !initialized) return { complete: false, failed: false, start, kill };
      continue;
    }
    if (initialized || (present?.state === 'exited' && present.exitCode === 0)) continue;
    if (present?.state === 'running') return { complete: false, failed: false, start, kill };
    if (present?.state === 'exited' && !restartsAfter(pod, container, 'init', present.exitCode)) {
      return { complete: false, failed: true, start, kill };
    }
    start.push(next);
    return { complete: false, failed: false, start, kill };
  }
  return { complete: true, failed: false, start, kill };
}

function reasonToKill(container: AnyContainer, observed: ObservedContainer, probes: ProbeFindings, resizes: ResizeNeeds): Kill | undefined {
  const changed = observed.hash !== '' && observed.hash !== containerHash(container);
  const reason = changed ? 'Changed' : (probes.failed(observed.id) ?? (resizes(observed) ? 'Resized' : undefined));
  return reason && { observed, container, reason, message: messages[reason](container.name) };
}
