/** What a Job's counts mean for it, and which pods are to be made or removed. */
import type { Job, JobCondition, Pod } from '../../api/index.ts';
import { compareActivePods, isPodActive, isPodTerminating, timeOf } from '../framework/index.ts';
import { type Account, hasFailed, hasLimitPerIndex, indexLimit, isIndexed, replacesOnlyFailed } from './account.ts';
import { backoffLeft, type Failures, finishedMs } from './backoff.ts';
import { judgeFailure } from './failure-policy.ts';
import { failuresBefore, ignoredBefore, indexOf, parseIndexes } from './indexes.ts';

/** Upstream's MaxPodCreateDeletePerSync. */
const burst = 500;

export type Verdict = { type: 'Complete' | 'Failed'; reason: string; message: string };

const isTrue = (job: Job, type: string) => job.status?.conditions?.find((c) => c.type === type && c.status === 'True');
export const finishedCondition = (job: Job) => isTrue(job, 'Complete') ?? isTrue(job, 'Failed');

/** Whether the Job is done for, or done. */
export function judge(job: Job, pods: readonly Pod[], counts: Account, nowMs: number): Verdict | undefined {
  const { spec } = job;
  const met = isTrue(job, 'SuccessCriteriaMet');
  if (met) return { type: 'Complete', reason: met.reason ?? '', message: met.message ?? '' };
  const failed = (reason: string, message: string): Verdict => ({ type: 'Failed', reason, message });
  const target = isTrue(job, 'FailureTarget');
  if (target) return failed(target.reason ?? '', target.message ?? '');
  for (const pod of pods) {
    if (!spec.podFailurePolicy || !hasFailed(job, pod)) continue;
    const { action, message } = judgeFailure(job, pod);
    if (action === 'FailJob') return failed('PodFailurePolicy', message);
  }
  const limit = spec.backoffLimit ?? (spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1);
  if (counts.failed > limit || restartsExceed(job, pods, limit)) {
    return failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadline = deadlineMs(job);
  if (deadline !== undefined && deadline <= nowMs) return failed('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (hasLimitPerIndex(job)) {
    const { size } = counts.failedIndexes;
    if (spec.maxFailedIndexes !== undefined && size > spec.maxFailedIndexes) {
      return failed('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
    }
    if (size > 0 && size + counts.completed.size >= indexLimit(job)) return failed('FailedIndexes', 'Job has failed indexes');
  }
  const rule = matchedSuccessRule(job, counts.completed);
  if (rule !== undefined) return { type: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` };
  const complete: Verdict = { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
  if (spec.completions === undefined) return counts.succeeded > 0 && !pods.some(isPodActive) ? complete : undefined;
  return counts.succeeded >= spec.completions ? complete : undefined;
}

/** With restartPolicy OnFailure, containers that restart in place count against the limit. */
function restartsExceed(job: Job, pods: readonly Pod[], limit: number): boolean {
  if (job.spec.template.spec.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const s of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) restarts += s.restartCount;
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

/** How many pods should run, and of which indexes: at one time either some are made or some removed. */
export function planJobPods(job: Job, pods: readonly Pod[], counts: Account, failures: Failures, nowMs: number): PodPlan {
  const { completions, suspend, parallelism = 1 } = job.spec;
  const active = pods.filter(isPodActive);
  if (suspend) return { create: [], remove: active };
  // A work queue's first success says that the work is done: those that run may end, and no more are made.
  const open = completions === undefined ? (counts.succeeded > 0 ? active.length : parallelism) : completions - counts.succeeded;
  const wanted = Math.max(0, completions === undefined ? open : Math.min(parallelism, open));
  const remove = surplus(job, active, Math.max(0, active.length - wanted)).slice(0, burst);
  if (remove.length > 0) return { create: [], remove };
  const occupied = active.length + (replacesOnlyFailed(job) ? pods.filter(isPodTerminating).length : 0);
  const missing = Math.min(wanted - occupied, burst);
  if (missing <= 0) return { create: [], remove };
  const waitMs = hasLimitPerIndex(job) ? 0 : backoffLeft(failures, nowMs);
  if (waitMs > 0) return { create: [], remove, waitMs };
  if (!isIndexed(job)) return { create: Array.from({ length: missing }, () => -1), remove };
  const waits = pendingIndexes(job, pods, counts, missing).map((index) => ({ index, left: indexBackoffLeft(counts, index, nowMs) }));
  const later = waits.filter(({ left }) => left > 0);
  return {
    create: waits.filter(({ left }) => left === 0).map(({ index }) => index),
    remove,
    ...(later.length > 0 ? { waitMs: Math.min(...later.map(({ left }) => left)) } : {}),
  };
}

/** Pods whose index is none, beyond the last or taken by another; then so many more that there are at least `atLeast`. */
function surplus(job: Job, active: readonly Pod[], atLeast: number): Pod[] {
  const worstFirst = [...active].sort(compareActivePods);
  const remove = new Set<Pod>();
  if (isIndexed(job)) {
    const kept = new Set<number>();
    for (const pod of [...worstFirst].reverse()) {
      const index = indexOf(pod);
      if (index < 0 || index >= indexLimit(job) || kept.has(index)) remove.add(pod);
      else kept.add(index);
    }
  }
  const left = worstFirst.filter((pod) => !remove.has(pod));
  return [...remove, ...left.slice(0, Math.max(0, atLeast - remove.size))];
}

/** The first so many indexes that neither have a pod nor an outcome. */
function pendingIndexes(job: Job, pods: readonly Pod[], counts: Account, count: number): number[] {
  const taken = new Set(pods.filter((pod) => isPodActive(pod) || (replacesOnlyFailed(job) && isPodTerminating(pod))).map(indexOf));
  const result: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && result.length < count; index++) {
    if (!taken.has(index) && !counts.completed.has(index) && !counts.failedIndexes.has(index)) result.push(index);
  }
  return result;
}

function indexBackoffLeft({ awaitingReplacement }: Account, index: number, nowMs: number): number {
  const last = awaitingReplacement.get(index);
  return last ? backoffLeft({ count: failuresBefore(last) + ignoredBefore(last) + 1, lastMs: finishedMs(last) }, nowMs) : 0;
}

/** Sets a condition in its place; one that would be False is not added. Answers whether anything changed. */
export function setCondition(conditions: JobCondition[], next: JobCondition): boolean {
  const at = conditions.findIndex((c) => c.type === next.type);
  const present = conditions[at];
  if (!present) {
    if (next.status === 'False') return false;
    conditions.push(next);
    return true;
  }
  if (present.status === next.status && present.reason === next.reason && present.message === next.message) return false;
  conditions[at] = next;
  return true;
}

export function jobCondition(type: string, status: string, reason: string, message: string, now: string): JobCondition {
  return { type, status, lastProbeTime: now, lastTransitionTime: now, reason, message };
}
