/** The scheduling loop: one pod after the other gets a node; binding it goes on beside the next. */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Pod } from '../api/index.ts';
import { hasReason } from '../api/index.ts';
import type { Client, EventRecorder, Lister } from '../client/index.ts';
import type { Clock } from '../time/index.ts';
import type { Background } from './background.ts';
import { podInfoOf } from './cache/pod-info.ts';
import { assignedPodDeleted } from './changes.ts';
import type { Extender } from './extender/extender.ts';
import { extenderName, schedulePodWithExtenders } from './extender/schedule-pod.ts';
import { recordFailure, writeFailure } from './failure.ts';
import { FitError, NoNodesError } from './fit-error.ts';
import { schedulerNameOf } from './framework/config.ts';
import { CycleState } from './framework/cycle-state.ts';
import type { Profile } from './framework/profile.ts';
import { errorStatus, isRejected, messageOf, type Status } from './framework/status.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { QueuedPod } from './queue/queued-pod.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import { type Algorithm, schedulePod } from './schedule-pod.ts';
import type { WaitingPods } from './waiting-pods.ts';

export interface SchedulerParts {
  client: Client;
  clock: Clock;
  logger: Logger | undefined;
  algorithm: Algorithm;
  extenders: readonly Extender[];
  queue: SchedulingQueue;
  profiles: ReadonlyMap<string, Profile>;
  recorders: ReadonlyMap<string, EventRecorder>;
  pods: Lister<Pod>;
  background: Background;
  waitingPods: WaitingPods;
  metrics: SchedulerMetrics | undefined;
  signal: AbortSignal;
}

/** Bindings and status writes that may be under way at a time; more wait, so that a slow server slows the scheduler. */
const maxInBackground = 512;
/** The loop lets others have the processor after this long. */
const sliceMs = 1;

interface Cycle {
  readonly queued: QueuedPod;
  readonly profile: Profile;
  readonly state: CycleState;
  readonly startedMs: number;
}

/** Schedules pods from the queue until it is closed. */
export async function runSchedulingLoop(parts: SchedulerParts): Promise<void> {
  const { queue, background, clock } = parts;
  let sliceStartedMs = clock.monotonic();
  for (;;) {
    let queued = queue.tryPop();
    if (!queued) {
      queued = await queue.pop();
      if (!queued) return;
      sliceStartedMs = clock.monotonic();
    }
    const asking = scheduleOne(parts, queued);
    if (asking) await asking;
    if (background.size >= maxInBackground) await background.below(maxInBackground);
    if (clock.monotonic() - sliceStartedMs >= sliceMs) {
      await setImmediate();
      sliceStartedMs = clock.monotonic();
    }
  }
}

/** Done when it returns, unless extenders are to be asked: then when what it answers resolves. */
function scheduleOne(parts: SchedulerParts, queued: QueuedPod): Promise<void> | undefined {
  const { algorithm, clock, queue, profiles } = parts;
  const { info } = queued;
  const { pod } = info;
  const profile = profiles.get(schedulerNameOf(pod));
  if (!profile || pod.metadata.deletionTimestamp || algorithm.cache.isAssumed(pod)) {
    queue.done(pod.metadata.uid);
    const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
    if (profile && pod.metadata.deletionTimestamp)
      parts.recorders
        .get(profile.schedulerName)
        ?.event(pod, 'Warning', 'FailedScheduling', `skip schedule deleting pod: ${name}`, { action: 'Scheduling' });
    return undefined;
  }
  const cycle: Cycle = { queued, profile, state: new CycleState(), startedMs: clock.monotonic() };
  if (parts.extenders.length > 0) return askExtenders(parts, cycle);
  let nodeName: string;
  try {
    nodeName = schedulePod(algorithm, profile, cycle.state, info).nodeName;
  } catch (error) {
    handleUnscheduled(parts, cycle, error);
    return undefined;
  }
  place(parts, cycle, nodeName);
  return undefined;
}

async function askExtenders(parts: SchedulerParts, cycle: Cycle): Promise<void> {
  const { algorithm, extenders, signal, logger } = parts;
  const { profile, state, queued } = cycle;
  let nodeName: string;
  try {
    nodeName = (await schedulePodWithExtenders(algorithm, extenders, profile, state, queued.info, { signal, logger })).nodeName;
    if (!algorithm.cache.node(nodeName)) throw new Error(`node ${JSON.stringify(nodeName)} is gone since extenders were asked`);
  } catch (error) {
    if (!signal.aborted) handleUnscheduled(parts, cycle, error);
    return;
  }
  place(parts, cycle, nodeName);
}

/** Takes the node for the pod, and binds it beside the scheduling of the next. */
function place(parts: SchedulerParts, cycle: Cycle, nodeName: string): void {
  const { algorithm, metrics, clock } = parts;
  const { info } = cycle.queued;
  metrics?.algorithmTook((clock.monotonic() - cycle.startedMs) / 1000);
  algorithm.cache.assume(info, nodeName);
  algorithm.nominator.delete(info.key);
  const refused = reserve(cycle, nodeName);
  const permitted = refused ? { refused } : permit(cycle, nodeName);
  if ('refused' in permitted) {
    undo(parts, cycle, nodeName);
    reject(parts, cycle, permitted.refused);
    return;
  }
  parts.background.run(`binding pod ${info.key}`, async (signal) => {
    metrics?.inBinding(1);
    try {
      await bindingCycle(parts, cycle, nodeName, permitted.timeoutsMs, signal);
    } finally {
      metrics?.inBinding(-1);
    }
  });
}

function reserve({ profile, state, queued }: Cycle, nodeName: string): Status | undefined {
  for (const plugin of profile.at.reserve) {
    const refused = plugin.reserve(state, queued.info, nodeName);
    if (refused) return refused;
  }
  return undefined;
}

/** The longest that a Permit plugin may hold a pod. */
const maxPermitMs = 15 * 60_000;

function permit({ profile, state, queued }: Cycle, nodeName: string): { refused: Status } | { timeoutsMs: Map<string, number> } {
  const timeoutsMs = new Map<string, number>();
  for (const plugin of profile.at.permit) {
    const answer = plugin.permit(state, queued.info, nodeName);
    if (!answer?.status) continue;
    if (answer.status.code !== 'Wait') return { refused: answer.status };
    timeoutsMs.set(plugin.name, Math.min(answer.timeoutMs ?? maxPermitMs, maxPermitMs));
  }
  return { timeoutsMs };
}

/** Takes back what was assumed. */
function undo({ algorithm, queue }: SchedulerParts, { profile, state, queued }: Cycle, nodeName: string): void {
  for (const plugin of profile.at.unreserve.toReversed()) plugin.unreserve(state, queued.info, nodeName);
  algorithm.cache.forget(queued.info);
  queue.move(assignedPodDeleted, queued.info.pod, undefined);
}

async function bindingCycle(
  parts: SchedulerParts,
  cycle: Cycle,
  nodeName: string,
  timeoutsMs: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const { queued, profile, state } = cycle;
  const { info } = queued;
  const uid = info.pod.metadata.uid;
  let refused = timeoutsMs.size > 0 ? await parts.waitingPods.wait(uid, timeoutsMs) : undefined;
  for (const plugin of profile.at.preBind) {
    if (refused) break;
    refused = await plugin.preBind(state, info, nodeName, signal);
  }
  if (!refused) refused = await bind(parts, cycle, nodeName, signal);
  if (refused) {
    if (signal.aborted) return;
    undo(parts, cycle, nodeName);
    reject(parts, cycle, refused);
    return;
  }
  parts.queue.done(uid);
  const { metadata } = info.pod;
  const message = `Successfully assigned ${metadata.namespace}/${metadata.name} to ${nodeName}`;
  parts.recorders.get(profile.schedulerName)?.event(info.pod, 'Normal', 'Scheduled', message, { action: 'Binding' });
  const nowMs = parts.clock.monotonic();
  parts.metrics?.attempted('scheduled', profile.schedulerName, (nowMs - cycle.startedMs) / 1000);
  parts.metrics?.scheduled(queued.attempts, (nowMs - (queued.initialAttemptMs ?? nowMs)) / 1000);
  for (const plugin of profile.at.postBind) plugin.postBind(state, info, nodeName);
}

/** By the extender that binds such pods, or the first Bind plugin that does not leave it to the next. */
async function bind(
  { extenders }: SchedulerParts,
  { profile, state, queued }: Cycle,
  nodeName: string,
  signal: AbortSignal,
): Promise<Status | undefined> {
  const binder = extenders.find((extender) => extender.binds && extender.isInterested(queued.info.pod));
  if (binder) {
    try {
      await binder.bind(queued.info.pod, nodeName, signal);
      return undefined;
    } catch (error) {
      return errorStatus(extenderName, error);
    }
  }
  for (const plugin of profile.at.bind) {
    const answer = await plugin.bind(state, queued.info, nodeName, signal);
    if (answer?.code !== 'Skip') return answer;
  }
  return { plugin: '', code: 'Error', reasons: ['all bind plugins left the pod to others'] };
}

/** No node fits, or something broke while looking for one. */
function handleUnscheduled(parts: SchedulerParts, cycle: Cycle, error: unknown): void {
  const { queued, profile, state } = cycle;
  if (error instanceof FitError) {
    const { diagnosis } = error;
    let nominatedNodeName: string | undefined;
    for (const plugin of profile.at.postFilter) {
      const result = plugin.postFilter(state, queued.info, diagnosis);
      if (result.status) diagnosis.postFilterMessage = messageOf(result.status);
      nominatedNodeName = result.nominatedNodeName;
      if (nominatedNodeName) break;
    }
    queued.unschedulablePlugins = new Set(diagnosis.plugins);
    queued.pendingPlugins = new Set(diagnosis.pendingPlugins);
    fail(parts, cycle, 'Unschedulable', error.message, nominatedNodeName);
  } else if (error instanceof NoNodesError) {
    // Nobody rejected it; the first node to come is worth a try.
    queued.unschedulablePlugins = new Set(['NodeName']);
    fail(parts, cycle, 'Unschedulable', error.message, '');
  } else {
    parts.logger?.error({ err: error, pod: queued.info.key }, 'error selecting node for pod');
    fail(parts, cycle, 'SchedulerError', error instanceof Error ? error.message : String(error));
  }
}

/** A plugin has turned the pod down, or failed, after a node had been chosen. */
function reject(parts: SchedulerParts, cycle: Cycle, refused: Status): void {
  const rejected = isRejected(refused);
  if (rejected) {
    cycle.queued.unschedulablePlugins = new Set(refused.plugin ? [refused.plugin] : []);
    if (refused.code === 'Pending') cycle.queued.pendingPlugins = new Set([refused.plugin]);
  } else if (!hasReason(refused.error, 'NotFound')) {
    parts.logger?.error({ err: refused.error, pod: cycle.queued.info.key }, messageOf(refused));
  }
  const message = rejected ? `0/${parts.algorithm.cache.nodes.length} nodes are available: 1 ${messageOf(refused)}.` : messageOf(refused);
  fail(
    parts,
    cycle,
    rejected ? 'Unschedulable' : 'SchedulerError',
    rejected ? message : `running ${refused.plugin || 'Bind'} plugin: ${message}`,
  );
}

function fail(
  parts: SchedulerParts,
  cycle: Cycle,
  reason: 'Unschedulable' | 'SchedulerError',
  message: string,
  nominatedNodeName?: string,
): void {
  const { queue, pods, algorithm, client, clock, metrics } = parts;
  const { queued, profile, startedMs } = cycle;
  const seconds = (clock.monotonic() - startedMs) / 1000;
  metrics?.attempted(reason === 'Unschedulable' ? 'unschedulable' : 'error', profile.schedulerName, seconds);
  const current = pods.getByKey(queued.info.key);
  const { uid, resourceVersion } = queued.info.pod.metadata;
  if (!current || current.metadata.uid !== uid || current.spec.nodeName) {
    // Gone, or placed by somebody else.
    queue.done(uid);
    return;
  }
  if (current.metadata.resourceVersion !== resourceVersion) queued.info = podInfoOf(current);
  if (nominatedNodeName !== undefined) algorithm.nominator.set(queued.info, nominatedNodeName);
  else if (current.status?.nominatedNodeName) algorithm.nominator.set(queued.info, current.status.nominatedNodeName);
  queue.returnUnschedulable(queued);
  const recorder = parts.recorders.get(profile.schedulerName);
  if (recorder) recordFailure(recorder, current, message);
  parts.background.run(`updating the status of pod ${queued.info.key}`, async (signal) => {
    try {
      await writeFailure(client, clock, current, { reason, message, nominatedNodeName }, signal);
    } catch (error) {
      // The pod is gone, or another of its name has come: there is nothing to say any more.
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  });
}
