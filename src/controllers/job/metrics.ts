import { exponentialBuckets } from 'prom-client';
import { isPodTerminal, type Job, type JobStatus, type Pod, type PodFailurePolicyAction } from '../../api/index.ts';
import type { ControllerMetrics } from '../framework/index.ts';
import { hasLimitPerIndex, isIndexed, isTracked } from './account.ts';
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
  const handled = metrics.counter(
    `${prefix}pod_failures_handled_by_failure_policy_total`,
    'The number of failed Pods handled by failure policy with respect to the failure policy action applied based on the matched rule. Possible values of the action label correspond to the possible values for the failure policy rule action, which are: "FailJob", "Ignore" and "Count".',
    ['action'],
  );
  const tracking = metrics.counter(
    `${prefix}terminated_pods_tracking_finalizer_total`,
    'The number of terminated pods (phase=Failed|Succeeded) that have the finalizer batch.kubernetes.io/job-tracking. The event label can be "add" or "delete".',
    ['event'],
  );
  const created = metrics.counter(
    `${prefix}job_pods_creation_total`,
    'The number of Pods created by the Job controller labelled with a reason for the Pod creation. This metric also distinguishes between Pods created using different PodReplacementPolicy settings. Possible values of the "reason" label are: "new", "recreate_terminating_or_failed", "recreate_failed". Possible values of the "status" label are: "succeeded", "failed".',
    ['reason', 'status'],
  );
  const external = metrics.counter(`${prefix}jobs_by_external_controller_total`, 'The number of Jobs managed by an external controller', [
    'controller_name',
  ]);
  const isHeld = (pod: Pod | undefined) => pod !== undefined && isPodTerminal(pod) && isTracked(pod);
  return {
    /** A Job that somebody else looks after has come. */
    managedBy(controller: string): void {
      external({ controller_name: controller });
    },
    /** What a pod was, and what it has become: pods that are over but are still to be counted come and go. */
    seen(before: Pod | undefined, after: Pod | undefined): void {
      if (isHeld(before) !== isHeld(after)) tracking({ event: isHeld(after) ? 'add' : 'delete' });
    },
    /** A rule of the Job's failure policy has matched a pod that is counted, or ignored, now. */
    handled(action: PodFailurePolicyAction): void {
      handled({ action });
    },
    /** The making of a pod; `failed` and `terminating`: of how many pods the Job knows that have failed, or are on their way out. */
    created(job: Job, { failed, terminating }: { failed: number; terminating: number }, ok: boolean): void {
      const replaced = job.spec.podReplacementPolicy === 'Failed' && failed > 0 ? 'recreate_failed' : undefined;
      const again = failed > 0 || terminating > 0 ? 'recreate_terminating_or_failed' : 'new';
      created({ reason: replaced ?? again, status: ok ? 'succeeded' : 'failed' });
    },
    synced(job: Job, action: SyncAction, ok: boolean, seconds: number): void {
      const of = { ...modeOf(job), result: ok ? 'success' : 'error', action };
      syncs(of);
      took(of, seconds);
    },
    finished(job: Job, type: 'Complete' | 'Failed', reason: string): void {
      finished({ ...modeOf(job), result: type === 'Complete' ? 'succeeded' : 'failed', reason });
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
