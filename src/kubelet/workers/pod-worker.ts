/**
 * One pod's life on this node. A worker does one thing at a time: it looks at what the pod wants and what is, acts, and looks
 * again, until there is nothing to do; then it sleeps until something wakes it. Its states are syncing, terminating (stopping
 * everything, never to start again) and terminated (nothing left but containers kept for their logs).
 */
import { isDeepStrictEqual } from 'node:util';
import { formatGoMilliseconds, goDurationMs, type Pod, type PodStatus } from '../../api/index.ts';
import { type Timer, timestamp } from '../../time/index.ts';
import type { PodCgroups } from '../cgroups/pod-cgroups.ts';
import type { ResolverConfig } from '../containers/dns.ts';
import { containerHash } from '../containers/labels.ts';
import { terminationMessage } from '../containers/termination-message.ts';
import type { KubeletContext } from '../context.ts';
import type { ImagePuller } from '../images/image-puller.ts';
import type { Rejection } from '../pod/admission.ts';
import { findContainer } from '../pod/containers.ts';
import { formatPod, isHostNetwork, uidOf } from '../pod/identity.ts';
import { newestContainer, type ObservedPod, type PodObserver } from '../pod/observed-pod.ts';
import { concernsKubelet } from '../pod/pod-change.ts';
import type { ProbeManager } from '../probes/probe-manager.ts';
import { podResize, type ResizeRefusal } from '../resize/pod-resize.ts';
import type { WaitingReason } from '../status/container-statuses.ts';
import { podStatus, rejectedStatus } from '../status/pod-status.ts';
import type { StatusManager } from '../status/status-manager.ts';
import type { MountedVolume, VolumeManager } from '../volumes/volume-manager.ts';
import { type PodActions, podActions, type Start } from './actions.ts';
import { gracePeriodOf, killContainer, killPod } from './kill.ts';
import type { BackOff } from './restart-back-off.ts';
import { adoptSandbox, createSandbox } from './sandbox.ts';
import { type ContainerStarter, type SandboxInUse, StartError, writeHostsFile } from './start-container.ts';

export interface PodWorkerDependencies {
  context: KubeletContext;
  observer: PodObserver;
  statuses: StatusManager;
  probes: ProbeManager;
  volumes: VolumeManager;
  images: ImagePuller;
  cgroups: PodCgroups;
  /** Waits between restarts, over all pods. */
  restarts: BackOff;
  startContainer: ContainerStarter;
  resolver(): Promise<ResolverConfig>;
  /** The runtime's handler for a RuntimeClass. Throws where there is no such class. */
  runtimeHandler(className: string): Promise<string>;
  /** Whether the node takes the pod. */
  admit(pod: Pod): Rejection | undefined;
  /** Whether the node can give a pod that it runs what it wants now. */
  admitResize(pod: Pod): ResizeRefusal | undefined;
  /** The pod has left resources to others. */
  onFreed(): void;
  /** Why no pod with a network of its own can start now; undefined: it can. */
  networkNotReady(): string | undefined;
  /** All of the pod's containers run, this long after the kubelet first saw it. */
  onStarted(seconds: number): void;
  /** The pod has left the node: everything that was kept for it can go. */
  onGone(uid: string): void;
}

export interface TerminateOptions {
  /** Default: the pod's own. */
  graceSeconds?: number;
  /** Overrides what the containers' ends say of the pod. */
  verdict?: { reason: string; message: string };
  /** The node ends the pod for its own sake: a failure policy may want to know. */
  disrupts?: boolean;
}

export interface PodWorker {
  readonly pod: Pod;
  readonly state: 'syncing' | 'terminating' | 'terminated';
  /** It wants more than the node can give it now. */
  readonly resizeDeferred: boolean;
  /** The newest look at the runtime. */
  readonly observed: ObservedPod | undefined;
  /** The pod's desired state has changed; a deletion timestamp on it begins its end. */
  update(pod: Pod): void;
  wake(): void;
  terminate(options?: TerminateOptions): void;
  /** The API (or the static folder) no longer has the pod: end it and remove every trace. */
  removed(): void;
  /** Resolves when the worker sleeps. */
  idle(): Promise<void>;
}

const retryFirstMs = 1000;
const retryMostMs = 10_000;

export function podWorker(
  deps: PodWorkerDependencies,
  initial: Pod,
  options: { /** The runtime has nothing of it yet. */ fresh: boolean },
  signal: AbortSignal,
): PodWorker {
  const { context, observer, statuses, probes, volumes, images, cgroups, restarts } = deps;
  const { runtime, clock, events, logger } = context;
  const uid = uidOf(initial);
  const log = logger.child({ pod: formatPod(initial) });

  const resize = podResize(
    { context, cgroups, judge: deps.admitResize, cfsPeriodMicros: goDurationMs(context.config.cpuCFSQuotaPeriod) * 1000 },
    initial,
    !options.fresh || initial.status?.startTime !== undefined,
  );

  /** As the API has it; `pod` is what runs of it. */
  let desired = initial;
  let pod = resize.allocated(initial);
  let state: PodWorker['state'] = 'syncing';
  let observed: ObservedPod | undefined;
  let unseen = !options.fresh;
  // A pod with a start time was admitted by the kubelet before this one.
  let admitted = !options.fresh || initial.status?.startTime !== undefined;
  let dirty = false;
  let running: Promise<void> | undefined;
  let gone = false;
  let cleaned = false;
  let ending: { graceSeconds: number | undefined; verdict: TerminateOptions['verdict']; disrupts: boolean } | undefined;
  /** Aborted when what the worker is doing has been overtaken: the pod ends, or ends sooner. */
  let step = new AbortController();
  let timer: { atMs: number; timer: Timer } | undefined;
  let retryMs = retryFirstMs;
  let seenAtMs = options.fresh ? clock.monotonic() : undefined;
  const waiting = new Map<string, WaitingReason>();
  let mounted: ReadonlyMap<string, MountedVolume> | undefined;
  let sandboxInUse: SandboxInUse | undefined;

  function wake(): void {
    dirty = true;
    running ??= work().finally(() => {
      running = undefined;
      if (dirty && !signal.aborted) wake();
    });
  }

  function wakeAt(atMs: number): void {
    if (timer && timer.atMs <= atMs) return;
    timer?.timer.cancel();
    const fire = () => {
      timer = undefined;
      wake();
    };
    timer = { atMs, timer: clock.setTimer(Math.max(0, atMs - clock.now()), fire, { background: true }) };
  }

  async function work(): Promise<void> {
    while (dirty && !signal.aborted) {
      dirty = false;
      step = new AbortController();
      const cancel = AbortSignal.any([signal, step.signal]);
      try {
        if (state === 'syncing') await sync(cancel);
        else if (state === 'terminating') await end(cancel);
        else await afterEnd(cancel);
      } catch (error) {
        if (signal.aborted) return;
        if (cancel.aborted) {
          dirty = true;
          continue;
        }
        log.error({ err: error, state }, 'Error syncing pod, skipping');
        retryLater();
      }
    }
  }

  function retryLater(): void {
    wakeAt(clock.now() + retryMs);
    retryMs = Math.min(retryMostMs, retryMs * 2);
  }

  const previousStatus = (): PodStatus | undefined => statuses.get(uid) ?? pod.status;

  function publish(): PodStatus {
    if (!admitted && !observed && ending?.verdict) {
      const status = rejectedStatus({ pod, previous: previousStatus(), now: timestamp(clock), verdict: ending.verdict });
      statuses.set(pod, status);
      return status;
    }
    const status = podStatus({
      pod,
      previous: previousStatus(),
      observed,
      runtimeName: runtime.name,
      nodeIPs: context.nodeIPs,
      now: timestamp(clock),
      terminal: state !== 'syncing',
      verdict: ending?.verdict,
      disrupts: ending?.disrupts ?? false,
      waiting: (name) => waiting.get(name),
      terminationMessage: (container) => (context.hollow ? '' : terminationMessage(container)),
      probes: { started: (id) => probes.started(id), ready: (id) => probes.ready(id) },
      resourcesOf: resize.resourcesOf,
      resize: resize.conditions(),
    });
    statuses.set(pod, held(status));
    return status;
  }

  /** Others take what an ended pod had (its ports, its place, its exclusive volumes): it has not ended while a container of it runs. */
  function held(status: PodStatus): PodStatus {
    const ends = status.phase === 'Succeeded' || status.phase === 'Failed';
    if (!ends || !observed?.containers.some((c) => c.state === 'running')) return status;
    const { reason: _reason, message: _message, ...rest } = status;
    const { phase, reason, message } = previousStatus() ?? {};
    return { ...rest, phase: phase ?? 'Pending', ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
  }

  async function look(cancel: AbortSignal): Promise<void> {
    observed = await observer.observe(uid, cancel);
    unseen = false;
    const podIP = (isHostNetwork(pod) ? context.nodeIPs[0] : observed?.sandboxes[0]?.ips[0]) ?? '';
    for (const container of observed?.containers ?? []) {
      if (container.state !== 'running') {
        probes.forgetContainer(container.id);
        continue;
      }
      const found = findContainer(pod, container.name);
      if (!found || found.sort === 'ephemeral' || newestContainer(observed, container.name) !== container) continue;
      const said = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
        (s) => s.name === container.name,
      );
      probes.watch(
        pod,
        found.container,
        container,
        podIP,
        (said?.ready ?? false) && said?.containerID === `${runtime.name}://${container.id}`,
      );
      waiting.delete(container.name);
    }
  }

  function reject(rejection: Rejection): void {
    events.pod(pod, 'Warning', rejection.reason, rejection.message.replace(/^Pod was rejected: /, ''));
    terminate({ verdict: rejection });
  }

  async function sync(cancel: AbortSignal): Promise<void> {
    if (!admitted) {
      const rejection = deps.admit(pod);
      if (rejection) return reject(rejection);
      admitted = true;
    }
    if (unseen || observed) await look(cancel);
    resize.note(observed);
    pod = resize.agree(desired);
    const status = publish();
    if (status.phase === 'Running' && seenAtMs !== undefined) {
      deps.onStarted((clock.monotonic() - seenAtMs) / 1000);
      seenAtMs = undefined;
    }
    if (status.phase === 'Succeeded' || status.phase === 'Failed') return terminate();
    if (deadlinePassed(status)) return;

    await actuateResize(cancel);
    const actions = podActions(pod, observed, probes, resize.restarts);
    unseen = true;
    if (await act(actions, cancel)) dirty = true;
    else if (!dirty && timer === undefined) retryMs = retryFirstMs;
  }

  async function actuateResize(cancel: AbortSignal): Promise<void> {
    const before = resize.conditions();
    try {
      await resize.actuate(pod, observed, cancel);
    } catch (error) {
      cancel.throwIfAborted();
      log.warn({ err: error }, 'Failed to resize pod');
      retryLater();
    }
    if (isDeepStrictEqual(resize.conditions(), before)) return;
    publish();
    deps.onFreed();
  }

  function deadlinePassed(status: PodStatus): boolean {
    const limit = pod.spec.activeDeadlineSeconds;
    if (limit === undefined || !status.startTime) return false;
    const atMs = Date.parse(status.startTime) + limit * 1000;
    if (clock.now() < atMs) {
      wakeAt(atMs);
      return false;
    }
    const message = 'Pod was active on the node longer than the specified deadline';
    events.pod(pod, 'Normal', 'DeadlineExceeded', message);
    terminate({ verdict: { reason: 'DeadlineExceeded', message } });
    return true;
  }

  /** Does what is to be done; answers whether anything was, so that it is worth looking again. */
  async function act(actions: PodActions, cancel: AbortSignal): Promise<boolean> {
    if (actions.killPod && observed) {
      const needed = observed.sandboxes.some((s) => s.ready) || observed.containers.some((c) => c.state === 'running');
      if (needed && actions.createSandbox)
        events.pod(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
      await killPod(context, pod, observed, gracePeriodOf(pod), cancel);
      if (!actions.createSandbox) return needed;
    }
    for (const { observed: target, message, reason } of actions.kill) {
      const probe = reason === 'LivenessProbe' ? 'livenessProbe' : 'startupProbe';
      const graceSeconds = Number(findContainer(pod, target.name)?.container[probe]?.terminationGracePeriodSeconds ?? gracePeriodOf(pod));
      await killContainer(context, pod, target, { graceSeconds, message, podIP: observed?.sandboxes[0]?.ips[0] ?? '', signal: cancel });
      probes.forgetContainer(target.id);
    }
    const killed = new Set(actions.kill.map((k) => k.container.name));
    const starts = actions.start.filter(({ container }) => !crashing(container.name));
    if (starts.length === 0 && !actions.createSandbox) {
      if (observed) await refreshVolumes(cancel);
      if (actions.start.length > 0) publish();
      return killed.size > 0;
    }
    return (await start(starts, actions, cancel)) || killed.size > 0;
  }

  /** Whether a container that ended has to wait before it starts again; says so, and comes back in time. */
  function crashing(name: string): boolean {
    // What was just stopped to be replaced waits for its earlier ends alone.
    const last = observed?.containers.find((c) => c.name === name && c.state === 'exited');
    const container = findContainer(pod, name)?.container;
    if (!last || !container) return false;
    const key = `${uid}/${name}/${containerHash(container)}`;
    const leftMs = restarts.remaining(key, last.finishedAtMs);
    if (leftMs === 0) {
      restarts.next(key, last.finishedAtMs);
      return false;
    }
    if (waiting.get(name)?.reason !== 'CrashLoopBackOff') {
      events.pod(pod, 'Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${formatPod(pod)}`, name);
    }
    waiting.set(name, {
      reason: 'CrashLoopBackOff',
      message: `back-off ${formatGoMilliseconds(restarts.current(key))} restarting failed container=${name} pod=${formatPod(pod)}`,
    });
    wakeAt(clock.now() + leftMs);
    return true;
  }

  async function start(starts: readonly Start[], actions: PodActions, cancel: AbortSignal): Promise<boolean> {
    // Sandbox, volumes and images need nothing of each other.
    const pulls = new Map(starts.map(({ container }) => [container.name, prefetch(container.name, images.ensure(pod, container, cancel))]));
    const [sandbox, volumesReady] = await Promise.all([sandboxFor(actions, cancel), mountVolumes(cancel)]);
    if (!sandbox || !volumesReady) {
      retryLater();
      // The sandbox may be new: the status shows that it is there.
      if (sandbox) await look(cancel);
      publish();
      return false;
    }
    await writeHostsFile(context, pod, sandbox.ips);
    const volumesNow = mounted ?? new Map<string, MountedVolume>();
    const one = async ({ container, sort }: Start): Promise<boolean> => {
      try {
        const image = pulls.get(container.name) ?? images.ensure(pod, container, cancel);
        await deps.startContainer({ pod, start: { container, sort }, image, sandbox, volumes: volumesNow, observed, signal: cancel });
        waiting.delete(container.name);
        return true;
      } catch (error) {
        cancel.throwIfAborted();
        const failure =
          error instanceof StartError
            ? error
            : new StartError('CreateContainerError', error instanceof Error ? error.message : String(error));
        waiting.set(container.name, { reason: failure.reason, message: failure.message });
        if (failure.retryAtMs === undefined || failure.retryAtMs <= clock.now()) retryLater();
        else wakeAt(failure.retryAtMs);
        return false;
      }
    };
    // A postStart hook holds back the containers after it; without one they need not wait for each other.
    const ordered = starts.some(({ container }) => container.lifecycle?.postStart);
    let any = false;
    if (ordered) for (const next of starts) any = (await one(next)) || any;
    else any = (await Promise.all(starts.map(one))).some((started) => started);
    if (!any) {
      await look(cancel);
      publish();
    }
    return any;
  }

  /** A pull that was begun early: its failure is told by the container that needs it. */
  function prefetch<T>(name: string, pull: Promise<T>): Promise<T> {
    pull.catch((error) => log.debug({ err: error, container: name }, 'image not ready'));
    return pull;
  }

  async function sandboxFor(actions: PodActions, cancel: AbortSignal): Promise<SandboxInUse | undefined> {
    if (actions.createSandbox) sandboxInUse = await createSandbox(deps, pod, actions.attempt, cancel);
    else if (actions.sandbox && sandboxInUse?.id !== actions.sandbox.id) sandboxInUse = await adoptSandbox(deps, pod, actions.sandbox);
    return sandboxInUse;
  }

  async function mountVolumes(cancel: AbortSignal): Promise<boolean> {
    const ips = sandboxInUse?.ips ?? observed?.sandboxes[0]?.ips ?? [];
    const result = await volumes.mount(pod, ips, cancel);
    for (const [name, error] of result.failed) {
      events.pod(pod, 'Warning', 'FailedMount', `MountVolume.SetUp failed for volume ${JSON.stringify(name)} : ${error.message}`);
    }
    if (result.failed.size > 0) return false;
    mounted = result.volumes;
    const refresh = volumes.refreshAtMs(uid);
    if (refresh !== undefined) wakeAt(refresh);
    return true;
  }

  /** Brings files of a running pod up to date with what they come from. */
  async function refreshVolumes(cancel: AbortSignal): Promise<void> {
    if (!(await mountVolumes(cancel))) retryLater();
  }

  function terminate({ graceSeconds, verdict, disrupts = false }: TerminateOptions = {}): void {
    if (state === 'terminated') return;
    const shorter = ending !== undefined && graceSeconds !== undefined && graceSeconds < (ending.graceSeconds ?? Number.POSITIVE_INFINITY);
    if (ending && !shorter) return;
    ending = { graceSeconds, verdict: ending?.verdict ?? verdict, disrupts: ending?.disrupts ?? disrupts };
    state = 'terminating';
    step.abort();
    wake();
  }

  async function end(cancel: AbortSignal): Promise<void> {
    probes.stopRestarts(uid);
    await look(cancel);
    publish();
    if (observed) await killPod(context, pod, observed, ending?.graceSeconds ?? gracePeriodOf(pod, observed), cancel);
    probes.forgetPod(uid);
    if (observed) await look(cancel);
    waiting.clear();
    state = 'terminated';
    publish();
    deps.onFreed();
    await volumes.remove(uid);
    await cgroups.remove(uid);
    await afterEnd(cancel);
  }

  /** The pod has ended: when the API wants it gone, let it go; when it is gone, remove what was kept. */
  async function afterEnd(cancel: AbortSignal): Promise<void> {
    if (!gone) {
      if (pod.metadata.deletionTimestamp) statuses.finish(pod);
      return;
    }
    if (cleaned) return;
    const last = await observer.observe(uid, cancel);
    for (const { id } of last?.containers ?? []) await runtime.removeContainer({ containerId: id }, { signal: cancel });
    for (const { id } of last?.sandboxes ?? []) await runtime.removePodSandbox({ podSandboxId: id }, { signal: cancel });
    cleaned = true;
    timer?.timer.cancel();
    deps.onGone(uid);
  }

  return {
    get pod() {
      return pod;
    },
    get state() {
      return state;
    },
    get observed() {
      return observed;
    },
    get resizeDeferred() {
      return resize.deferred;
    },
    update(next) {
      const before = desired;
      desired = next;
      pod = resize.allocated(next);
      if (next.metadata.deletionTimestamp) {
        if (state === 'terminated') return wake();
        return terminate({ graceSeconds: gracePeriodOf(next) });
      }
      if (next === before || concernsKubelet(next, before)) wake();
    },
    wake,
    terminate,
    removed() {
      gone = true;
      if (state === 'terminated') return wake();
      terminate(pod.metadata.deletionTimestamp ? {} : { graceSeconds: gracePeriodOf(pod) });
    },
    async idle() {
      while (running) await running;
    },
  };
}
