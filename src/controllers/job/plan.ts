/**
 * What a Job's pods amount to and what is to be done about it. A pod that has ended is accounted for once: its uid is put
 * down in the status, its finalizer is taken off, and then it is added to the counts (KEP-2307).
 */
import { isPodReady, type Job, type JobCondition, type Pod } from '../../api/index.ts';
import { compareForDeletion, isPodActive, isPodTerminating, timeOf } from '../framework/index.ts';
import { judgeFailure } from './failure-policy.ts';
import { failuresBefore, indexOf, parseIndexes } from './indexes.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

/** Upstream's DefaultJobPodFailureBackOff and MaxJobPodFailureBackOff. */
const backoffMs = 10_000;
const maxBackoffMs = 600_000;
/** Upstream's MaxPodCreateDeletePerSync. */
const burst = 500;

export interface Account {
  /** Pods that have ended and still carry the finalizer. */
  release: Pod[];
  uncountedSucceeded: Set<string>;
  uncountedFailed: Set<string>;
  /** Totals with what is not counted yet. */
  succeeded: number;
  failed: number;
  completed: Set<number>;
  failedIndexes: Set<number>;
  /** The rule of the failure policy that fails the Job. */
  fatal: string | undefined;
}

export type Verdict = { type: 'Complete' | 'Failed'; reason: string; message: string };

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';
export const finishedCondition = (job: Job) =>
  job.status?.conditions?.find((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True');
const replacesOnlyFailed = (job: Job): boolean => job.spec.podReplacementPolicy === 'Failed';
const indexLimit = (job: Job) => job.spec.completions ?? Number.POSITIVE_INFINITY;

export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  return !replacesOnlyFailed(job) && pod.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded';
}

/** Takes stock of the pods. `released` has the uids of pods whose finalizer is off already, though the cache may not show it. */
export function account(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): Account {
  const { status, spec } = job;
  const result: Account = {
    release: [],
    uncountedSucceeded: new Set(status?.uncountedTerminatedPods?.succeeded),
    uncountedFailed: new Set(status?.uncountedTerminatedPods?.failed),
    succeeded: 0,
    failed: 0,
    completed: parseIndexes(status?.completedIndexes, indexLimit(job)),
    failedIndexes: parseIndexes(status?.failedIndexes, indexLimit(job)),
    fatal: undefined,
  };
  const ending = job.status?.conditions?.some(
    (c) => (c.type === 'FailureTarget' || c.type === 'SuccessCriteriaMet') && c.status === 'True',
  );
  const succeeding = job.status?.conditions?.some((c) => c.type === 'SuccessCriteriaMet' && c.status === 'True');
  for (const pod of pods) {
    const { uid, finalizers } = pod.metadata;
    if (!finalizers?.includes(trackingFinalizer) || released.has(uid)) continue;
    const index = indexOf(pod);
    if (pod.status?.phase === 'Succeeded') {
      result.release.push(pod);
      if (!isIndexed(job)) result.uncountedSucceeded.add(uid);
      else if (index >= 0 && index < indexLimit(job)) result.completed.add(index);
    } else if (hasFailed(job, pod) || (pod.metadata.deletionTimestamp && ending)) {
      result.release.push(pod);
      // What is taken away because the Job has succeeded has not failed.
      if (result.uncountedFailed.has(uid) || (succeeding && pod.status?.phase !== 'Failed')) continue;
      const { action, message } = judgeFailure(job, pod);
      if (action === 'Ignore') continue;
      if (action === 'FailJob') result.fatal ??= message;
      if (spec.backoffLimitPerIndex !== undefined && isIndexed(job) && index >= 0) {
        if (action === 'FailIndex' || failuresBefore(pod) >= spec.backoffLimitPerIndex) result.failedIndexes.add(index);
      }
      result.uncountedFailed.add(uid);
    }
  }
  for (const index of result.completed) result.failedIndexes.delete(index);
  result.succeeded = isIndexed(job) ? result.completed.size : (status?.succeeded ?? 0) + result.uncountedSucceeded.size;
  result.failed = (status?.failed ?? 0) + result.uncountedFailed.size;
  return result;
}

/** Whether the Job is done for, or done. */
export function judge(job: Job, pods: readonly Pod[], counts: Account, nowMs: number): Verdict | undefined {
  const { spec, status } = job;
  const target = status?.conditions?.find((c) => c.status === 'True' && (c.type === 'FailureTarget' || c.type === 'SuccessCriteriaMet'));
  if (target)
    return { type: target.type === 'FailureTarget' ? 'Failed' : 'Complete', reason: target.reason ?? '', message: target.message ?? '' };
  const failed = (reason: string, message: string): Verdict => ({ type: 'Failed', reason, message });
  if (counts.fatal) return failed('PodFailurePolicy', counts.fatal);
  const active = pods.filter(isPodActive);
  const limit = spec.backoffLimit ?? (spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1);
  if (counts.failed > limit || restartsExceed(job, active, limit)) {
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadline = deadlineMs(job);
  if (deadline !== undefined && deadline <= nowMs) return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (spec.maxFailedIndexes !== undefined && counts.failedIndexes.size > spec.maxFailedIndexes) {
    return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  const rule = matchedSuccessRule(job, counts.completed);
  if (rule !== undefined) return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` };
  const complete: Verdict = { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
  if (spec.completions === undefined) return counts.succeeded > 0 && active.length === 0 ? complete : undefined;
  if (counts.succeeded >= spec.completions) return complete;
  if (isIndexed(job) && counts.failedIndexes.size > 0 && counts.succeeded + counts.failedIndexes.size >= spec.completions) {
    return failed('FailedIndexes', 'Job has failed indexes');
  }
  return undefined;
}

/** With restartPolicy OnFailure, containers that restart in place count against the limit. */
function restartsExceed(job: Job, active: readonly Pod[], limit: number): boolean {
  if (job.spec.template.spec.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const pod of active) {
    for (const s of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) restarts += s.restartCount;
  }
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** When activeDeadlineSeconds is over. */
export function deadlineMs(job: Job): number | undefined {
  const { activeDeadlineSeconds, suspend } = job.spec;
  if (activeDeadlineSeconds === undefined || suspend || !job.status?.startTime) return undefined;
  return timeOf(job.status.startTime) + activeDeadlineSeconds * 1000;
}

function matchedSuccessRule(job: Job, completed: ReadonlySet<number>): number | undefined {
  if (!isIndexed(job)) return undefined;
  const found = job.spec.successPolicy?.rules.findIndex(({ succeededIndexes, succeededCount }) => {
    const relevant = succeededIndexes === undefined ? completed : parseIndexes(succeededIndexes);
    const done = [...relevant].filter((index) => completed.has(index)).length;
    return done >= (succeededCount ?? relevant.size);
  });
  return found === undefined || found < 0 ? undefined : found;
}

export interface PodPlan {
  /** An index for each pod to make; -1 where the Job is not indexed. */
  create: number[];
  remove: Pod[];
  /** Pods wait this long for the back-off of those that failed. */
  waitMs?: number;
}

/** How many pods should run, and of which indexes. */
export function planJobPods(job: Job, pods: readonly Pod[], counts: Account, nowMs: number): PodPlan {
  const { spec } = job;
  const active = pods.filter(isPodActive);
  if (spec.suspend) return { create: [], remove: active };
  const parallelism = spec.parallelism ?? 1;
  const open = spec.completions === undefined ? Number.POSITIVE_INFINITY : spec.completions - counts.succeeded - counts.failedIndexes.size;
  // A work queue's first success says that the work is done: those that run may end, and no more are made.
  const wanted =
    spec.completions === undefined
      ? counts.succeeded > 0
        ? Math.min(active.length, parallelism)
        : parallelism
      : Math.min(parallelism, open);
  const hopeless = active.filter((pod) => counts.failedIndexes.has(indexOf(pod)) || counts.completed.has(indexOf(pod)));
  const useful = active.filter((pod) => !hopeless.includes(pod));
  const occupied = useful.length + (replacesOnlyFailed(job) ? pods.filter(isPodTerminating).length : 0);
  if (useful.length > wanted) {
    const surplus = [...useful].sort(compareForDeletion(nowMs, () => 0)).slice(0, useful.length - Math.max(0, wanted));
    return { create: [], remove: [...hopeless, ...surplus].slice(0, burst) };
  }
  const missing = Math.min(wanted - occupied, burst);
  if (missing <= 0) return { create: [], remove: hopeless };
  if (!isIndexed(job)) {
    const waitMs = backoffLeft(job, pods, nowMs);
    return waitMs > 0 ? { create: [], remove: hopeless, waitMs } : { create: Array.from({ length: missing }, () => -1), remove: hopeless };
  }
  const perIndex = spec.backoffLimitPerIndex !== undefined;
  const taken = new Set(pods.filter((pod) => isPodActive(pod) || (replacesOnlyFailed(job) && isPodTerminating(pod))).map(indexOf));
  const create: number[] = [];
  let soonest = perIndex ? Number.POSITIVE_INFINITY : backoffLeft(job, pods, nowMs);
  if (!perIndex && soonest > 0) return { create, remove: hopeless, waitMs: soonest };
  for (let index = 0; index < (spec.completions ?? 0) && create.length < missing; index++) {
    if (taken.has(index) || counts.completed.has(index) || counts.failedIndexes.has(index)) continue;
    const left = perIndex
      ? backoffLeft(
          job,
          pods.filter((pod) => indexOf(pod) === index),
          nowMs,
        )
      : 0;
    if (left > 0) soonest = Math.min(soonest, left);
    else create.push(index);
  }
  return { create, remove: hopeless, ...(perIndex && Number.isFinite(soonest) ? { waitMs: soonest } : {}) };
}

/** Milliseconds until a pod may follow those that failed: 10 s doubled with each failure since the last success, up to 10 min. */
function backoffLeft(job: Job, pods: readonly Pod[], nowMs: number): number {
  const ended = pods.filter((pod) => pod.status?.phase === 'Succeeded' || hasFailed(job, pod)).sort((a, b) => endOf(a) - endOf(b));
  let failures = 0;
  let last = 0;
  for (const pod of ended) {
    if (pod.status?.phase === 'Succeeded') failures = 0;
    else if (judgeFailure(job, pod).action !== 'Ignore') {
      failures++;
      last = endOf(pod);
    }
  }
  return failures === 0 ? 0 : Math.max(0, last + Math.min(backoffMs * 2 ** (failures - 1), maxBackoffMs) - nowMs);
}

function endOf(pod: Pod): number {
  const ends = (pod.status?.containerStatuses ?? []).map((s) => timeOf(s.state?.terminated?.finishedAt)).filter((at) => !Number.isNaN(at));
  if (ends.length > 0) return Math.max(...ends);
  const { deletionTimestamp, creationTimestamp } = pod.metadata;
  return timeOf(deletionTimestamp ?? pod.status?.conditions?.find((c) => c.type === 'Ready')?.lastTransitionTime ?? creationTimestamp) || 0;
}

/** How many failures the next pod of an index follows. */
export function indexFailures(pods: readonly Pod[], job: Job, index: number): number {
  const ended = pods.filter((pod) => indexOf(pod) === index && hasFailed(job, pod) && judgeFailure(job, pod).action !== 'Ignore');
  return Math.max(0, ...ended.map((pod) => failuresBefore(pod) + 1));
}

export function liveCounts(pods: readonly Pod[]): { active: number; ready: number; terminating: number } {
  const active = pods.filter(isPodActive);
  return { active: active.length, ready: active.filter(isPodReady).length, terminating: pods.filter(isPodTerminating).length };
}

export function jobCondition(type: string, status: string, reason: string, message: string, now: string): JobCondition {
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}
