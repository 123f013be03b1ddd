/** Deletes Jobs some time after they have finished, where their spec says so (KEP-592). */
import type { Job } from '../api/index.ts';
import { hasReason, Job as JobResource } from '../api/index.ts';
import { keyOf, splitKey } from '../client/index.ts';
import { defineController, timeOf } from './framework/index.ts';

/** When the Job is to be deleted; undefined while it runs, or where it has no TTL. */
export function expiresAtMs(job: Job): number | undefined {
  const ttl = job.spec.ttlSecondsAfterFinished;
  const finished = job.status?.conditions?.find((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True');
  return ttl === undefined || !finished ? undefined : timeOf(finished.lastTransitionTime) + ttl * 1000;
}

export const ttlAfterFinishedController = defineController(
  'ttl-after-finished-controller',
  ({ client, clock, informers }, queue) => {
    const jobs = informers.for(JobResource);
    const enqueue = (job: Job): void => {
      if (!job.metadata.deletionTimestamp && expiresAtMs(job) !== undefined) queue.add(keyOf(job));
    };
    jobs.addHandler({ add: enqueue, update: enqueue });
    const due = (job: Job): number => (expiresAtMs(job) ?? Number.POSITIVE_INFINITY) - clock.now();

    return {
      informers: [jobs],
      async reconcile(key, signal) {
        const job = jobs.lister.getByKey(key);
        if (!job || job.metadata.deletionTimestamp || expiresAtMs(job) === undefined) return {};
        if (due(job) > 0) return { requeueAfterMs: due(job) };
        // The TTL may have been raised since the cache saw the Job: look again before what cannot be undone.
        const { name, namespace } = splitKey(key);
        try {
          const fresh = await client.get(JobResource, name, { namespace, signal });
          if (due(fresh) > 0) return Number.isFinite(due(fresh)) ? { requeueAfterMs: due(fresh) } : {};
          const preconditions = { uid: fresh.metadata.uid, resourceVersion: fresh.metadata.resourceVersion };
          await client.delete(JobResource, name, { namespace, preconditions, propagationPolicy: 'Foreground', signal });
        } catch (error) {
          if (!hasReason(error, 'NotFound')) throw error;
        }
        return {};
      },
    };
  },
  { queueName: 'ttl_jobs_to_delete' },
);
