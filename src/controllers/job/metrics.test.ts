import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Job, Pod } from '../../api/index.ts';
import { createControllerMetrics } from '../framework/index.ts';
import { createJobMetrics } from './metrics.ts';

// Of a pod only what the metrics look at.
const pod = (phase: string, held = true) =>
  ({ metadata: { finalizers: held ? ['batch.kubernetes.io/job-tracking'] : [] }, status: { phase } }) as unknown as Pod;

test('counts syncs, ended pods, indexes and Jobs under their names, and goes on where a new term begins', async () => {
  const registry = new Registry();
  const job = { spec: { completionMode: 'Indexed', backoffLimitPerIndex: 1, completions: 5 } } as Job;
  for (let term = 0; term < 2; term++) {
    const metrics = createJobMetrics(createControllerMetrics(registry));
    metrics.synced(job, 'pods_created', true, 0.01);
    metrics.counted(job, { succeeded: 1, completedIndexes: '0' }, { succeeded: 3, completedIndexes: '0-2', failed: 1, failedIndexes: '4' });
    metrics.finished(job, 'Failed', 'FailedIndexes');
    metrics.finished(job, 'Complete', 'CompletionsReached');
    metrics.managedBy('example.com/other');
    metrics.handled('Ignore');
    // It ends, is let go of, and goes.
    for (const [before, after] of [
      [pod('Running'), pod('Failed')],
      [pod('Failed'), pod('Failed')],
      [pod('Failed'), pod('Failed', false)],
      [pod('Failed', false), undefined],
    ] as const)
      metrics.seen(before, after);
    metrics.created(job, { failed: 0, terminating: 0 }, true);
    metrics.created(job, { failed: 1, terminating: 0 }, false);
    metrics.created({ spec: { podReplacementPolicy: 'Failed' } } as Job, { failed: 1, terminating: 0 }, true);
  }
  const text = await registry.metrics();
  for (const line of [
    'job_controller_job_syncs_total{completion_mode="Indexed",result="success",action="pods_created"} 2',
    'job_controller_job_pods_finished_total{completion_mode="Indexed",result="succeeded"} 4',
    'job_controller_job_pods_finished_total{completion_mode="Indexed",result="failed"} 2',
    'job_controller_job_finished_indexes_total{status="succeeded",backoffLimit="perIndex"} 4',
    'job_controller_job_finished_indexes_total{status="failed",backoffLimit="perIndex"} 2',
    'job_controller_jobs_finished_total{completion_mode="Indexed",result="failed",reason="FailedIndexes"} 2',
    'job_controller_jobs_finished_total{completion_mode="Indexed",result="succeeded",reason="CompletionsReached"} 2',
    'job_controller_jobs_by_external_controller_total{controller_name="example.com/other"} 2',
    'job_controller_pod_failures_handled_by_failure_policy_total{action="Ignore"} 2',
    'job_controller_terminated_pods_tracking_finalizer_total{event="add"} 2',
    'job_controller_terminated_pods_tracking_finalizer_total{event="delete"} 2',
    'job_controller_job_pods_creation_total{reason="new",status="succeeded"} 2',
    'job_controller_job_pods_creation_total{reason="recreate_terminating_or_failed",status="failed"} 2',
    'job_controller_job_pods_creation_total{reason="recreate_failed",status="succeeded"} 2',
  ])
    expect(text).toContain(line);
});
