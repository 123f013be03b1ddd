import { afterEach, beforeEach, expect, test } from 'vitest';
import { Job, type JobSpec, Pod } from '../../api/index.ts';
import { type Harness, selector, startControllers, template } from '../testing/harness.ts';
import { ttlAfterFinishedController } from '../ttl-after-finished.ts';
import { jobController } from './index.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';

let h: Harness;
beforeEach(async () => {
  h = await startControllers(jobController, ttlAfterFinishedController);
});
afterEach(() => h.stop());

const make = async (spec: Partial<JobSpec>) => {
  const t = template();
  await h.create(Job, {
    metadata: { name: 'work' },
    spec: { selector, backoffLimit: 6, parallelism: 1, template: { ...t, spec: { ...t.spec, restartPolicy: 'Never' } }, ...spec },
  });
  await h.settle();
};
const status = async () => (await h.get(Job, 'work')).status;
const conditions = async () => (await status())?.conditions?.map((c) => `${c.type}=${c.status} ${c.reason}: ${c.message}`) ?? [];
const active = async () =>
  (await h.pods()).filter((p) => !p.metadata.deletionTimestamp && p.status?.phase !== 'Succeeded' && p.status?.phase !== 'Failed');
const finishOne = async (phase: 'Succeeded' | 'Failed', exitCode?: number) => {
  const [pod] = await active();
  await h.finishPod(pod?.metadata.name ?? 'none is active', phase, exitCode);
  await h.settle();
  return pod;
};
const completed = 'Complete=True CompletionsReached: Reached expected number of succeeded pods';

test('runs so many pods at a time until enough have succeeded', async () => {
  await make({ completions: 5, parallelism: 2 });
  expect(await active()).toHaveLength(2);
  expect((await active())[0]?.metadata.finalizers).toEqual(['batch.kubernetes.io/job-tracking']);
  for (let i = 0; i < 4; i++) await finishOne('Succeeded');
  expect(await active()).toHaveLength(1);
  expect(await status()).toMatchObject({ active: 1, succeeded: 4, startTime: '2026-01-01T00:00:00Z' });
  await finishOne('Succeeded');
  expect(await status()).toMatchObject({ succeeded: 5, completionTime: '2026-01-01T00:00:00Z', uncountedTerminatedPods: {} });
  expect(await conditions()).toContain(completed);
  expect((await h.pods()).flatMap((p) => p.metadata.finalizers ?? [])).toEqual([]);
  expect(await h.events()).toContain('Completed: Job completed');
});

test('without completions one success is enough, once the others have ended', async () => {
  await make({ parallelism: 2 });
  await finishOne('Succeeded');
  expect(await active()).toHaveLength(1);
  expect(await conditions()).toEqual([]);
  await finishOne('Succeeded');
  expect(await conditions()).toContain(completed);
});

test('replaces pods that fail after 10 s, 20 s, ..., and gives up past the limit', async () => {
  await make({ completions: 1, backoffLimit: 2 });
  await finishOne('Failed');
  expect(await active()).toHaveLength(0);
  await h.settle(9_000);
  expect(await active()).toHaveLength(0);
  await h.settle(1_000);
  expect(await active()).toHaveLength(1);
  await finishOne('Failed');
  await h.settle(20_000);
  await finishOne('Failed');
  expect(await status()).toMatchObject({ failed: 3 });
  expect(await conditions()).toContain('Failed=True BackoffLimitExceeded: Job has reached the specified backoff limit');
  expect(await h.events()).toContain('BackoffLimitExceeded: Job has reached the specified backoff limit');
  await h.settle(600_000);
  expect(await active()).toHaveLength(0);
});

test('no success is counted twice or lost when the status cannot be written for a while', async () => {
  await make({ completions: 3, parallelism: 3 });
  let refused = 0;
  h.api.intercept = (request) => {
    if (request.path.endsWith('/jobs/work/status') && refused++ < 4) throw new (class extends Error {})('connection lost');
  };
  for (let i = 0; i < 3; i++) await finishOne('Succeeded');
  await h.settle(60_000);
  expect(refused).toBeGreaterThan(4);
  expect(await status()).toMatchObject({ succeeded: 3 });
  expect(await conditions()).toContain(completed);
});

test('Indexed: each index runs until it has succeeded, and its pod knows which it is', async () => {
  await make({ completions: 4, parallelism: 3, completionMode: 'Indexed' });
  const [first] = await active();
  expect(first?.metadata).toMatchObject({
    generateName: 'work-0-',
    annotations: { 'batch.kubernetes.io/job-completion-index': '0' },
    labels: { 'batch.kubernetes.io/job-completion-index': '0' },
  });
  expect(first?.spec.hostname).toBe('work-0');
  expect(first?.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX');
  await h.finishPod((await active())[2]?.metadata.name ?? '', 'Succeeded');
  await finishOne('Succeeded');
  expect((await status())?.completedIndexes).toBe('0,2');
  expect((await active()).map((p) => p.metadata.generateName)).toEqual(['work-1-', 'work-3-']);
  await finishOne('Failed');
  await h.settle(10_000);
  expect((await active()).map((p) => p.metadata.generateName).sort()).toEqual(['work-1-', 'work-3-']);
  await finishOne('Succeeded');
  await finishOne('Succeeded');
  expect(await status()).toMatchObject({ completedIndexes: '0-3', succeeded: 4, failed: 1 });
});

test('a limit per index fails that index alone, and the Job when the rest is done', async () => {
  await make({ completions: 2, parallelism: 2, completionMode: 'Indexed', backoffLimitPerIndex: 0 });
  await finishOne('Failed');
  await finishOne('Succeeded');
  expect(await status()).toMatchObject({ failedIndexes: '0', completedIndexes: '1' });
  expect(await conditions()).toContain('Failed=True FailedIndexes: Job has failed indexes');
});

test('the failure policy fails the Job, or ignores what is not its fault', async () => {
  const onExitCodes = (values: number[]) => ({ operator: 'In' as const, values });
  await make({
    completions: 1,
    backoffLimit: 0,
    podReplacementPolicy: 'Failed',
    podFailurePolicy: {
      rules: [
        { action: 'FailJob', onExitCodes: onExitCodes([42]) },
        { action: 'Ignore', onExitCodes: onExitCodes([7]) },
      ],
    },
  });
  await finishOne('Failed', 7);
  expect((await status())?.failed).toBeUndefined();
  // A failure that is ignored still makes the next pod wait.
  expect(await active()).toHaveLength(0);
  await h.settle(10_000);
  expect(await active()).toHaveLength(1);
  const pod = await finishOne('Failed', 42);
  const message = `Container main for pod work/${pod?.metadata.name} failed with exit code 42 matching FailJob rule at index 0`;
  expect(await conditions()).toEqual([`FailureTarget=True PodFailurePolicy: ${message}`, `Failed=True PodFailurePolicy: ${message}`]);
  expect((await status())?.failed).toBe(1);
});

test('a failed pod with a limit per index stays until its replacement has taken its count over', async () => {
  await make({
    completions: 2,
    parallelism: 2,
    completionMode: 'Indexed',
    backoffLimitPerIndex: 2,
    podReplacementPolicy: 'Failed',
    podFailurePolicy: { rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [7] } }] },
  });
  const annotations = async () => (await active()).map((p) => p.metadata.annotations).find((a) => a?.[`${job}completion-index`] === '0');
  const job = 'batch.kubernetes.io/job-';
  const failFirst = async (exitCode: number) => {
    const [pod] = (await active()).filter((p) => p.metadata.annotations?.[`${job}completion-index`] === '0');
    await h.finishPod(pod?.metadata.name ?? '', 'Failed', exitCode);
    await h.settle();
    return pod?.metadata.name ?? '';
  };
  expect(await annotations()).toMatchObject({ [`${job}index-failure-count`]: '0' });
  const name = await failFirst(1);
  await h.client.delete(Pod, name, { namespace: 'work' });
  await h.settle(9_000);
  expect((await h.get(Pod, name)).metadata.finalizers).toHaveLength(1);
  expect((await status())?.failed).toBeUndefined();
  await h.settle(1_000);
  expect(await annotations()).toMatchObject({ [`${job}index-failure-count`]: '1' });
  expect((await h.pods()).map((p) => p.metadata.name)).not.toContain(name);
  expect((await status())?.failed).toBe(1);
  await failFirst(7);
  await h.settle(20_000);
  expect(await annotations()).toMatchObject({ [`${job}index-failure-count`]: '1', [`${job}index-ignored-failure-count`]: '1' });
  expect(await status()).toMatchObject({ failed: 1, failedIndexes: '', active: 2 });
});

test('of two pods with one index, and of those beyond the last, none stay', async () => {
  await make({ completions: 3, parallelism: 3, completionMode: 'Indexed' });
  const [first, second] = await active();
  for (const [pod, index] of [
    [first, '7'],
    [second, '2'],
  ] as const) {
    const annotations = { 'batch.kubernetes.io/job-completion-index': index };
    await h.update(Pod, pod?.metadata.name ?? '', (p) => ({ ...p, metadata: { ...p.metadata, annotations } }));
  }
  await h.settle();
  const indexes = (await active()).map((p) => p.metadata.annotations?.['batch.kubernetes.io/job-completion-index']);
  expect(indexes.sort()).toEqual(['0', '1', '2']);
  expect((await status())?.failed).toBeUndefined();
});

test('the success policy ends the Job early and takes its other pods away', async () => {
  await make({ completions: 3, parallelism: 3, completionMode: 'Indexed', successPolicy: { rules: [{ succeededIndexes: '0' }] } });
  await finishOne('Succeeded');
  await h.settle();
  expect(await conditions()).toContain('Complete=True SuccessPolicy: Matched rules at index 0');
  expect(await h.pods()).toHaveLength(1);
  expect((await status())?.failed).toBeUndefined();
});

test('active longer than its deadline it fails, and is Failed only when its pods are gone', async () => {
  h.api.gracefulKinds.add('Pod');
  await make({ completions: 1, activeDeadlineSeconds: 60 });
  await h.runPods();
  await h.settle(60_000);
  expect(await conditions()).toEqual(['FailureTarget=True DeadlineExceeded: Job was active longer than specified deadline']);
  const [pod] = await h.pods();
  expect(pod?.metadata.deletionTimestamp).toBeDefined();
  await h.finishPod(pod?.metadata.name ?? '', 'Failed');
  await h.settle();
  expect(await conditions()).toContain('Failed=True DeadlineExceeded: Job was active longer than specified deadline');
});

test('suspended it has no pods and no start time; resumed it starts over', async () => {
  await make({ completions: 2, parallelism: 2 });
  const suspend = async (value: boolean) => {
    await h.update(Job, 'work', (j) => ({ ...j, spec: { ...j.spec, suspend: value } }));
    await h.settle();
  };
  await h.settle(5000);
  await suspend(true);
  expect(await h.pods()).toHaveLength(0);
  expect((await status())?.startTime).toBeUndefined();
  expect((await status())?.failed).toBeUndefined();
  expect(await conditions()).toEqual(['Suspended=True JobSuspended: Job suspended']);
  await suspend(false);
  expect(await active()).toHaveLength(2);
  expect(await conditions()).toEqual(['Suspended=False JobResumed: Job resumed']);
  expect((await status())?.startTime).toBe('2026-01-01T00:00:05Z');
});

test('a pod that somebody deletes counts as failed and is replaced', async () => {
  await make({ completions: 1 });
  const [pod] = await active();
  await h.client.delete(Pod, pod?.metadata.name ?? '', { namespace: 'work' });
  await h.settle(10_000);
  expect(await status()).toMatchObject({ failed: 1, active: 1 });
  expect((await h.pods()).map((p) => p.metadata.name)).not.toContain(pod?.metadata.name);
});

test('a deleted Job leaves no pod held back by its finalizer', async () => {
  await make({ completions: 1 });
  await h.client.delete(Job, 'work', { namespace: 'work' });
  await h.settle();
  expect((await h.pods())[0]?.metadata.finalizers ?? []).toEqual([]);
});

test('nor does a Job that leaves its pods behind, while it goes', async () => {
  await make({ completions: 1 });
  await h.client.patch(Job, 'work', 'merge', { metadata: { finalizers: ['orphan'] } }, { namespace: 'work' });
  await h.client.delete(Job, 'work', { namespace: 'work' });
  const [pod] = await h.pods();
  // As the garbage collector does.
  await h.client.patch(Pod, pod?.metadata.name ?? '', 'merge', { metadata: { ownerReferences: null } }, { namespace: 'work' });
  await h.settle();
  expect(await h.list(Job)).toHaveLength(1);
  expect((await h.pods())[0]?.metadata.finalizers ?? []).toEqual([]);
});

test('some time after it has finished it is deleted', async () => {
  await make({ completions: 1, ttlSecondsAfterFinished: 100 });
  await h.settle(50_000);
  await finishOne('Succeeded');
  await h.settle(99_000);
  expect(await h.list(Job)).toHaveLength(1);
  await h.settle(1_000);
  expect(await h.list(Job)).toHaveLength(0);
});

test.each(['', '0', '1,3', '1,2', '0-2,4,6-9'])('index sets read and write %j', (text) => {
  expect(formatIndexes(parseIndexes(text))).toBe(text);
});
