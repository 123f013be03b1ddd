/**
 * What a Job's pods amount to. A pod that has ended is accounted for once: its uid is put down in the status, its finalizer is
 * taken off, and then it is added to the counts (KEP-2307).
 */
import { isPodReady, type Job, type Pod } from '../../api/index.ts';
import { isPodActive, isPodTerminating } from '../framework/index.ts';
import { finishedMs } from './backoff.ts';
import { judgeFailure } from './failure-policy.ts';
import { failuresBefore, ignoredBefore, indexOf, parseIndexes } from './indexes.ts';

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

/** Upstream's MaxUncountedPods: so many uids are put down at a time, which keeps the status small. */
const maxUncounted = 500;

export interface Account {
  /** Pods that have ended and are not put down yet. */
  newlySucceeded: Pod[];
  newlyFailed: Pod[];
  /** Totals with what is not counted yet; failures that the policy ignores are none. */
  succeeded: number;
  failed: number;
  completed: Set<number>;
  failedIndexes: Set<number>;
  /** By index, the failed pod that the next one of its index takes its count of failures from; it is kept until then. */
  awaitingReplacement: Map<number, Pod>;
}

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';
/** Pods are replaced only when they have ended, not when they begin to (KEP-3939). */
export const replacesOnlyFailed = ({ spec }: Job): boolean => spec.podReplacementPolicy === 'Failed' || spec.podFailurePolicy !== undefined;
export const hasLimitPerIndex = (job: Job): boolean => isIndexed(job) && job.spec.backoffLimitPerIndex !== undefined;
export const indexLimit = (job: Job): number => job.spec.completions ?? Number.POSITIVE_INFINITY;

/** Deleted pods count as failed unless they are to end first: those of lost nodes never reach the phase. */
export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  return !replacesOnlyFailed(job) && pod.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded';
}

const counts = (job: Job, pod: Pod): boolean => judgeFailure(job, pod).action !== 'Ignore';
const hasValidIndex = (job: Job, pod: Pod): boolean => !isIndexed(job) || (indexOf(pod) >= 0 && indexOf(pod) < indexLimit(job));

/** Takes stock of the pods. `released` has the uids of pods whose finalizer is off already, though the cache may not show it. */
export function account(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): Account {
  const { status, spec } = job;
  const uncounted = status?.uncountedTerminatedPods;
  const tracked = pods.filter((pod) => isTracked(pod, released) && hasValidIndex(job, pod));
  const put = { succeeded: new Set(uncounted?.succeeded), failed: new Set(uncounted?.failed) };
  const newlySucceeded = tracked.filter((pod) => pod.status?.phase === 'Succeeded' && !put.succeeded.has(pod.metadata.uid));
  const newlyFailed = tracked.filter((pod) => hasFailed(job, pod) && !put.failed.has(pod.metadata.uid));
  const completed = parseIndexes(status?.completedIndexes, indexLimit(job));
  const failedIndexes = parseIndexes(status?.failedIndexes, indexLimit(job));
  const awaitingReplacement = new Map<number, Pod>();
  if (isIndexed(job)) for (const pod of tracked) if (pod.status?.phase === 'Succeeded') completed.add(indexOf(pod));
  const { backoffLimitPerIndex: limit } = spec;
  if (hasLimitPerIndex(job) && limit !== undefined) {
    const failed = tracked.filter((pod) => hasFailed(job, pod));
    for (const pod of failed) {
      const { action } = judgeFailure(job, pod);
      if (action === 'FailIndex' || (action !== 'Ignore' && failuresBefore(pod) >= limit)) failedIndexes.add(indexOf(pod));
    }
    const active = new Set(pods.filter(isPodActive).map(indexOf));
    for (const pod of failed) {
      const index = indexOf(pod);
      if (completed.has(index) || failedIndexes.has(index) || active.has(index)) continue;
      const other = awaitingReplacement.get(index);
      if (!other || isLater(pod, other)) awaitingReplacement.set(index, pod);
    }
  }
  return {
    newlySucceeded,
    newlyFailed,
    succeeded: isIndexed(job) ? completed.size : (status?.succeeded ?? 0) + newlySucceeded.length + (uncounted?.succeeded?.length ?? 0),
    failed: (status?.failed ?? 0) + newlyFailed.filter((pod) => counts(job, pod)).length + (uncounted?.failed?.length ?? 0),
    completed,
    failedIndexes,
    awaitingReplacement,
  };
}

const attempts = (pod: Pod) => failuresBefore(pod) + ignoredBefore(pod);
const isLater = (a: Pod, b: Pod) => attempts(a) >= attempts(b) && finishedMs(a) >= finishedMs(b);
const nothing: ReadonlySet<string> = new Set();
/** Whether a pod is held until it is counted; `released`: uids of those that are no more, whatever they say. */
export const isTracked = ({ metadata }: Pod, released = nothing): boolean =>
  metadata.finalizers?.includes(trackingFinalizer) === true && !released.has(metadata.uid);

/** What is put down now, and the pods that are let go of when it is. */
export interface Settlement {
  release: Pod[];
  succeeded: Set<string>;
  failed: Set<string>;
  /** There is more to be put down. */
  more: boolean;
}

/** `ending`: the Job fails or succeeds now, and all its pods are let go of; where it fails they count as failed. */
export function settle(
  job: Job,
  pods: readonly Pod[],
  released: ReadonlySet<string>,
  { awaitingReplacement }: Account,
  ending: 'Complete' | 'Failed' | undefined,
): Settlement {
  const { succeeded = [], failed = [] } = job.status?.uncountedTerminatedPods ?? {};
  const result: Settlement = { release: [], succeeded: new Set(succeeded), failed: new Set(failed), more: false };
  const inOrder = isIndexed(job) ? [...pods].sort((a, b) => indexOf(a) - indexOf(b)) : pods;
  let put = succeeded.length + failed.length;
  for (const pod of inOrder) {
    const { uid } = pod.metadata;
    if (!isTracked(pod, released)) continue;
    const done = pod.status?.phase === 'Succeeded';
    const lost = hasFailed(job, pod);
    if (!ending && !done && !(lost && awaitingReplacement.get(indexOf(pod)) !== pod)) continue;
    if (put >= maxUncounted) {
      result.more = true;
      break;
    }
    result.release.push(pod);
    if (done && !result.failed.has(uid)) {
      // A completed index is put down as such, which cannot happen twice.
      if (!isIndexed(job)) result.succeeded.add(uid);
      put++;
    } else if ((lost || ending === 'Failed') && hasValidIndex(job, pod) && counts(job, pod)) {
      result.failed.add(uid);
      put++;
    }
  }
  return result;
}

export function liveCounts(pods: readonly Pod[]): { active: number; ready: number; terminating: number } {
  const active = pods.filter(isPodActive);
  return { active: active.length, ready: active.filter(isPodReady).length, terminating: pods.filter(isPodTerminating).length };
}
