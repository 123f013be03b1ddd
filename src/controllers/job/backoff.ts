/** How long a Job's pods wait after failures: 10 s, doubled with each failure since the last success, up to 10 min. */
import type { Pod } from '../../api/index.ts';
import { timeOf } from '../framework/index.ts';

/** Upstream's DefaultJobPodFailureBackOff and MaxJobPodFailureBackOff. */
const backoffMs = 10_000;
const maxBackoffMs = 600_000;

/** What has failed since the last success. */
export interface Failures {
  count: number;
  lastMs: number;
}

export const noFailures: Failures = { count: 0, lastMs: 0 };

/** The record with pods that have ended since it was made. */
export function withEnded(record: Failures, succeeded: readonly Pod[], failed: readonly Pod[]): Failures {
  const ends = failed.map(finishedMs);
  if (succeeded.length === 0) {
    return ends.length === 0 ? record : { count: record.count + ends.length, lastMs: Math.max(...ends) };
  }
  const lastSuccess = Math.max(...succeeded.map(finishedMs));
  const after = ends.filter((at) => at > lastSuccess);
  return after.length === 0 ? noFailures : { count: after.length, lastMs: Math.max(...after) };
}

/** Milliseconds until a pod may follow those that failed. */
export function backoffLeft({ count, lastMs }: Failures, nowMs: number): number {
  return count === 0 ? 0 : Math.max(0, lastMs + Math.min(backoffMs * 2 ** (count - 1), maxBackoffMs) - nowMs);
}

/** When the pod ended: its last container, else when it ceased to be ready, else when its deletion was asked for. */
export function finishedMs({ status, metadata }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map((s) => timeOf(s.state?.terminated?.finishedAt));
  if (ends.length > 0 && !ends.some(Number.isNaN)) return Math.max(...ends);
  const notReady = timeOf(status?.conditions?.find((c) => c.type === 'Ready' && c.status === 'False')?.lastTransitionTime);
  if (!Number.isNaN(notReady)) return notReady;
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = metadata;
  return deletionTimestamp ? timeOf(deletionTimestamp) - Number(deletionGracePeriodSeconds) * 1000 : timeOf(creationTimestamp) || 0;
}
