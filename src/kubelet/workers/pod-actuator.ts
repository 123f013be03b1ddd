/** Carries out what `podActions` has decided for one pod: kills, a sandbox, volumes, images, containers. */
import { formatGoMilliseconds, type Pod } from '../../api/index.ts';
import { containerHash } from '../containers/labels.ts';
import { findContainer } from '../pod/containers.ts';
import { formatPod } from '../pod/identity.ts';
import type { ObservedContainer, ObservedPod } from '../pod/observed-pod.ts';
import type { Reset } from '../pod/restart-all.ts';
import type { WaitingReason } from '../status/container-statuses.ts';
import type { MountedVolume } from '../volumes/volume-manager.ts';
import type { PodActions, Start } from './actions.ts';
import { gracePeriodOf, killContainer, killPod } from './kill.ts';
import { adoptSandbox, createSandbox } from './sandbox.ts';
import { type SandboxInUse, StartError, writeHostsFile } from './start-container.ts';
import type { PodWorkerDependencies } from './worker-contract.ts';

/** The worker that the actuator acts for. */
export interface ActingWorker {
  readonly pod: Pod;
  readonly observed: ObservedPod | undefined;
  /** Why containers wait, by name: the actuator writes it, the status tells it. */
  waiting: Map<string, WaitingReason>;
  look(cancel: AbortSignal): Promise<void>;
  publish(): void;
  wakeAt(atMs: number): void;
  /** Comes back after a while that grows. */
  retryLater(): void;
}

export interface PodActuator {
  /** Does what is to be done; answers whether anything was, so that it is worth looking again. */
  act(actions: PodActions, cancel: AbortSignal): Promise<boolean>;
}

export function podActuator(deps: PodWorkerDependencies, uid: string, worker: ActingWorker): PodActuator {
  const { context, probes, volumes, images, restarts, observer, statuses } = deps;
  const { clock, events, logger, runtime } = context;
  const { waiting } = worker;
  const log = logger.child({ pod: formatPod(worker.pod) });
  let mounted: ReadonlyMap<string, MountedVolume> | undefined;
  let sandboxInUse: SandboxInUse | undefined;
  /** When containers ended that had all of the pod start again, of which nothing is left but this: they wait as others that ended. */
  const ends = new Map<string, number>();

  async function act(actions: PodActions, cancel: AbortSignal): Promise<boolean> {
    const { pod } = worker;
    if (actions.reset) return reset(actions.reset, cancel);
    if (actions.killPod && worker.observed) {
      const needed = worker.observed.sandboxes.some((s) => s.ready) || worker.observed.containers.some((c) => c.state === 'running');
      if (needed && actions.createSandbox)
        events.pod(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
      await killPod(context, pod, worker.observed, gracePeriodOf(pod), cancel);
      if (!actions.createSandbox) return needed;
    }
    for (const { observed: target, message, reason } of actions.kill) {
      const probe = reason === 'LivenessProbe' ? 'livenessProbe' : 'startupProbe';
      const graceSeconds = Number(findContainer(pod, target.name)?.container[probe]?.terminationGracePeriodSeconds ?? gracePeriodOf(pod));
      await killContainer(context, pod, target, {
        graceSeconds,
        message,
        podIP: worker.observed?.sandboxes[0]?.ips[0] ?? '',
        signal: cancel,
      });
      probes.forgetContainer(target.id);
    }
    const killed = new Set(actions.kill.map((k) => k.container.name));
    const starts = actions.start.filter(({ container }) => !crashing(container.name));
    if (starts.length === 0 && !actions.createSandbox) {
      if (worker.observed) await refreshVolumes(cancel);
      if (actions.start.length > 0) worker.publish();
      return killed.size > 0;
    }
    return (await start(starts, actions, cancel)) || killed.size > 0;
  }

  /** Ends and removes what has run, without hooks and grace; logs stay, and tell the next runs' apart by their numbers. */
  async function reset({ sources, targets }: Reset, cancel: AbortSignal): Promise<boolean> {
    const podIP = worker.observed?.sandboxes[0]?.ips[0] ?? '';
    const remove = async (target: ObservedContainer) => {
      probes.forgetContainer(target.id);
      if (target.state !== 'exited')
        await killContainer(context, worker.pod, target, { graceSeconds: 0, message: 'killing', podIP, signal: cancel });
      await runtime.removeContainer({ containerId: target.id }, { signal: cancel });
      observer.removed(target.id);
      waiting.delete(target.name);
    };
    await Promise.all(targets.map(remove));
    for (const { name, finishedAtMs } of sources) ends.set(name, Math.max(ends.get(name) ?? 0, finishedAtMs));
    await Promise.all(sources.map(remove));
    return true;
  }

  /** Whether a container that ended has to wait before it starts again; says so, and comes back in time. */
  function crashing(name: string): boolean {
    const { pod } = worker;
    // What was just stopped to be replaced waits for its earlier ends alone.
    const last = worker.observed?.containers.find((c) => c.name === name && c.state === 'exited');
    const container = findContainer(pod, name)?.container;
    const endedAtMs = last?.finishedAtMs ?? ends.get(name);
    if (endedAtMs === undefined || !container) return false;
    const key = `${uid}/${name}/${containerHash(container)}`;
    const leftMs = restarts.remaining(key, endedAtMs);
    if (leftMs === 0) {
      restarts.next(key, endedAtMs);
      ends.delete(name);
      return false;
    }
    if (waiting.get(name)?.reason !== 'CrashLoopBackOff') {
      events.pod(pod, 'Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${formatPod(pod)}`, name);
    }
    waiting.set(name, {
      reason: 'CrashLoopBackOff',
      message: `back-off ${formatGoMilliseconds(restarts.current(key))} restarting failed container=${name} pod=${formatPod(pod)}`,
    });
    worker.wakeAt(clock.now() + leftMs);
    return true;
  }

  async function start(starts: readonly Start[], actions: PodActions, cancel: AbortSignal): Promise<boolean> {
    const { pod } = worker;
    // A pod that waits for its volumes has no sandbox yet and pulls nothing, as its conditions and events say upstream too.
    if (!(await mountVolumes(cancel))) {
      worker.retryLater();
      worker.publish();
      return false;
    }
    // Sandbox and images need nothing of each other.
    const pulls = new Map(starts.map(({ container }) => [container.name, prefetch(container.name, images.ensure(pod, container, cancel))]));
    const sandbox = await sandboxFor(actions, cancel);
    if (!sandbox) {
      worker.retryLater();
      worker.publish();
      return false;
    }
    await writeHostsFile(context, pod, sandbox.ips);
    const volumesNow = mounted ?? new Map<string, MountedVolume>();
    const one = async ({ container, sort }: Start): Promise<boolean> => {
      try {
        context.metrics.containerStarted(sort);
        const image = pulls.get(container.name) ?? images.ensure(pod, container, cancel);
        await deps.startContainer({
          pod,
          start: { container, sort },
          image,
          sandbox,
          volumes: volumesNow,
          observed: worker.observed,
          status: statuses.get(uid) ?? pod.status,
          signal: cancel,
        });
        waiting.delete(container.name);
        return true;
      } catch (error) {
        cancel.throwIfAborted();
        const failure =
          error instanceof StartError
            ? error
            : new StartError('CreateContainerError', error instanceof Error ? error.message : String(error));
        context.metrics.containerFailed(sort, failure.reason);
        waiting.set(container.name, { reason: failure.reason, message: failure.message });
        if (failure.retryAtMs === undefined || failure.retryAtMs <= clock.now()) worker.retryLater();
        else worker.wakeAt(failure.retryAtMs);
        return false;
      }
    };
    // A postStart hook holds back the containers after it; without one they need not wait for each other.
    const ordered = starts.some(({ container }) => container.lifecycle?.postStart);
    let any = false;
    if (ordered) for (const next of starts) any = (await one(next)) || any;
    else any = (await Promise.all(starts.map(one))).some((started) => started);
    if (!any) {
      await worker.look(cancel);
      worker.publish();
    }
    return any;
  }

  /** A pull that was begun early: its failure is told by the container that needs it. */
  function prefetch<T>(name: string, pull: Promise<T>): Promise<T> {
    pull.catch((error) => log.debug({ err: error, container: name }, 'image not ready'));
    return pull;
  }

  async function sandboxFor(actions: PodActions, cancel: AbortSignal): Promise<SandboxInUse | undefined> {
    const { pod } = worker;
    if (actions.createSandbox) sandboxInUse = await createSandbox(deps, pod, actions.attempt, cancel);
    else if (actions.sandbox && sandboxInUse?.id !== actions.sandbox.id) sandboxInUse = await adoptSandbox(deps, pod, actions.sandbox);
    return sandboxInUse;
  }

  async function mountVolumes(cancel: AbortSignal): Promise<boolean> {
    const { pod } = worker;
    const ips = sandboxInUse?.ips ?? worker.observed?.sandboxes[0]?.ips ?? [];
    const result = await volumes.mount(pod, ips, cancel);
    for (const [name, error] of result.failed) {
      events.pod(pod, 'Warning', 'FailedMount', `MountVolume.SetUp failed for volume ${JSON.stringify(name)} : ${error.message}`);
    }
    if (result.failed.size > 0) return false;
    mounted = result.volumes;
    const refresh = volumes.refreshAtMs(uid);
    if (refresh !== undefined) worker.wakeAt(refresh);
    return true;
  }

  /** Brings files of a running pod up to date with what they come from. */
  async function refreshVolumes(cancel: AbortSignal): Promise<void> {
    if (!(await mountVolumes(cancel))) worker.retryLater();
  }

  return { act };
}
