import { exponentialBuckets } from 'prom-client';
import type { Job, JobStatus } from '../../api/index.ts';
import type { ControllerMetrics } from '../framework/index.ts';
import { hasLimitPerIndex, isIndexed } from './account.ts';
import { parseIndexes } from './indexes.ts';

export type SyncAction = 'reconciling' | 'tracking' | 'pods_created' | 'pods_deleted';

const prefix = 'job_controller_';
const modeOf = (job: Job) => ({ completion_mode: isIndexed(job) ? 'Indexed' : 'NonIndexed' });

/** Upstream's metrics of the job controller. */
export function createJobMetrics(metrics: ControllerMetrics) {
  const labels = ['completion_mode', 'result', 'action'];
  const syncs = metrics.counter(`${prefix}job_syncs_total`, 'The number of job syncs', labels);
  const took = metrics.histogram(
    `${prefix}job_sync_duration_seconds`,
    'The time it took to sync a job',
    labels,
    exponentialBuckets(0.004, 2, 15),
  );
  const finished = metrics.counter(`${prefix}jobs_finished_total`, 'The number of finished jobs', ['completion_mode', 'result', 'reason']);
  const pods = metrics.counter(`${prefix}job_pods_finished_total`, 'The number of finished Pods that are fully tracked', [
    'completion_mode',
    'result',
  ]);
  const indexes = metrics.counter(
    `${prefix}job_finished_indexes_total`,
    'The number of finished indexes. Possible values for the, status label are: "succeeded", "failed". Possible values for the backoffLimit label are: "perIndex" and "global"',
    ['status', 'backoffLimit'],
  );
  return {
    synced(job: Job, action: SyncAction, ok: boolean, seconds: number): void {
      const of = { ...modeOf(job), result: ok ? 'success' : 'error', action };
      syncs(of);
      took(of, seconds);
    },
    finished(job: Job, type: 'Complete' | 'Failed', reason: string): void {
      const done = type === 'Complete';
      finished({ ...modeOf(job), result: done ? 'succeeded' : 'failed', reason: done ? '' : reason });
    },
    /** What one write of the status has added to the counts. */
    counted(job: Job, before: JobStatus | undefined, after: JobStatus): void {
      const added = (name: 'succeeded' | 'failed') => Math.max(0, (after[name] ?? 0) - (before?.[name] ?? 0));
      if (added('succeeded') > 0) pods({ ...modeOf(job), result: 'succeeded' }, added('succeeded'));
      if (added('failed') > 0) pods({ ...modeOf(job), result: 'failed' }, added('failed'));
      if (!isIndexed(job)) return;
      const backoffLimit = hasLimitPerIndex(job) ? 'perIndex' : 'global';
      const grown = (name: 'completedIndexes' | 'failedIndexes') => parseIndexes(after[name]).size - parseIndexes(before?.[name]).size;
      if (grown('completedIndexes') > 0) indexes({ status: 'succeeded', backoffLimit }, grown('completedIndexes'));
      if (grown('failedIndexes') > 0) indexes({ status: 'failed', backoffLimit }, grown('failedIndexes'));
    },
  };
}
