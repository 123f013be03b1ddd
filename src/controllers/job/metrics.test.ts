import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Job } from '../../api/index.ts';
import { createControllerMetrics } from '../framework/index.ts';
import { createJobMetrics } from './metrics.ts';

test('counts syncs, ended pods, indexes and Jobs under their names, and goes on where a new term begins', async () => {
  const registry = new Registry();
  const job = { spec: { completionMode: 'Indexed', backoffLimitPerIndex: 1, completions: 5 } } as Job;
  for (let term = 0; term < 2; term++) {
    const metrics = createJobMetrics(createControllerMetrics(registry));
    metrics.synced(job, 'pods_created', true, 0.01);
    metrics.counted(job, { succeeded: 1, completedIndexes: '0' }, { succeeded: 3, completedIndexes: '0-2', failed: 1, failedIndexes: '4' });
    metrics.finished(job, 'Failed', 'FailedIndexes');
  }
  const text = await registry.metrics();
  for (const line of [
    'job_controller_job_syncs_total{completion_mode="Indexed",result="success",action="pods_created"} 2',
    'job_controller_job_pods_finished_total{completion_mode="Indexed",result="succeeded"} 4',
    'job_controller_job_pods_finished_total{completion_mode="Indexed",result="failed"} 2',
    'job_controller_job_finished_indexes_total{status="succeeded",backoffLimit="perIndex"} 4',
    'job_controller_job_finished_indexes_total{status="failed",backoffLimit="perIndex"} 2',
    'job_controller_jobs_finished_total{completion_mode="Indexed",result="failed",reason="FailedIndexes"} 2',
  ])
    expect(text).toContain(line);
});
