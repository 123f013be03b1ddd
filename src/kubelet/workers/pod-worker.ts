/**
 * One pod's life on this node. A worker does one thing at a time: it looks at what the pod wants and what is, acts, and looks
 * again, until there is nothing to do; then it sleeps until something wakes it. Its states are syncing, terminating (stopping
 * everything, never to start again) and terminated (nothing left but containers kept for their logs).
 */
import { isDeepStrictEqual } from 'node:util';
import { goDurationMs, type Pod, type PodStatus } from '../../api/index.ts';
import { type Timer, timestamp } from '../../time/index.ts';
import { messageShare, terminationMessage } from '../containers/termination-message.ts';
import type { Rejection } from '../pod/admission.ts';
import { findContainer } from '../pod/containers.ts';
import { formatPod, isHostNetwork, uidOf } from '../pod/identity.ts';
import { newestContainer, type ObservedPod } from '../pod/observed-pod.ts';
import { concernsKubelet } from '../pod/pod-change.ts';
import { saysRestartingAll } from '../pod/restart-all.ts';
import { podResize } from '../resize/pod-resize.ts';
import type { WaitingReason } from '../status/container-statuses.ts';
import { podStatus, rejectedStatus } from '../status/pod-status.ts';
import { podActions } from './actions.ts';
import { gracePeriodOf, killPod } from './kill.ts';
import { podActuator } from './pod-actuator.ts';
import type { PodWorker, PodWorkerDependencies, SyncOperation, TerminateOptions } from './worker-contract.ts';

const retryFirstMs = 1000;
const retryMostMs = 10_000;

export function podWorker(
  deps: PodWorkerDependencies,
  initial: Pod,
  options: { /** The runtime has nothing of it yet. */ fresh: boolean },
  signal: AbortSignal,
): PodWorker {
  const { context, observer, statuses, probes, volumes, cgroups } = deps;
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
  let cause: SyncOperation = options.fresh ? 'create' : 'sync';
  let seenAtMs = options.fresh ? clock.monotonic() : undefined;
  const waiting = new Map<string, WaitingReason>();

  const actuator = podActuator(deps, uid, {
    get pod() {
      return pod;
    },
    get observed() {
      return observed;
    },
    waiting,
    look,
    publish,
    wakeAt,
    retryLater,
  });

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
      const [operation, startedMs] = [state === 'syncing' ? cause : 'kill', clock.monotonic()];
      cause = 'sync';
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
      deps.onSynced(operation, (clock.monotonic() - startedMs) / 1000);
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
      terminationMessage: (container) => (context.hollow ? '' : terminationMessage(container).slice(0, messageShare(pod))),
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

  /** The scheduler may know of labels and resources that the kubelet has not heard of yet. */
  async function judgeAdmission(cancel: AbortSignal): Promise<Rejection | undefined> {
    const rejection = deps.admit(pod);
    if (!rejection || !/^(NodeAffinity$|OutOf)/.test(rejection.reason)) return rejection;
    try {
      await deps.refreshNode(cancel);
    } catch (error) {
      cancel.throwIfAborted();
      log.warn({ err: error }, 'could not ask what the node is like now');
      return rejection;
    }
    return deps.admit(pod);
  }

  async function sync(cancel: AbortSignal): Promise<void> {
    if (!admitted) {
      const rejection = await judgeAdmission(cancel);
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
    const actions = podActions(pod, observed, probes, resize.restarts, saysRestartingAll(status));
    unseen = true;
    if (await actuator.act(actions, cancel)) dirty = true;
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
      if (next !== before && !concernsKubelet(next, before)) return;
      if (cause !== 'create') cause = 'update';
      wake();
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
