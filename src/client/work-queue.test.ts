import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { bucketRateLimiter, exponentialRateLimiter } from './rate-limiter.ts';
import { createControllerQueue, runController } from './run-controller.ts';
import { WorkQueue } from './work-queue.ts';
import { createWorkQueueMetrics } from './work-queue-metrics.ts';

test('a key that waits is there once; one added while worked on comes again afterwards', async () => {
  const queue = new WorkQueue({ clock: new VirtualClock() });
  queue.add('a');
  queue.add('a');
  expect(queue.length).toBe(1);
  const key = await queue.take();
  queue.add('a');
  queue.add('a');
  expect(queue.length).toBe(0);
  queue.done(key ?? '');
  expect(queue.length).toBe(1);
});

test('a delayed key comes at the earliest of the times asked for', async () => {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ clock });
  queue.addAfter('a', 1000);
  queue.addAfter('a', 100);
  queue.addAfter('a', 5000);
  await clock.advance(99);
  expect(queue.length).toBe(0);
  await clock.advance(1);
  expect(queue.length).toBe(1);
  expect(clock.pending).toBe(0);
});

test('a key that fails waits 5 ms, 10 ms, 20 ms ... up to 1000 s', () => {
  const limiter = exponentialRateLimiter();
  expect([1, 2, 3].map(() => limiter.when('a'))).toEqual([5, 10, 20]);
  for (let i = 0; i < 50; i++) limiter.when('a');
  expect(limiter.when('a')).toBe(1_000_000);
  limiter.forget('a');
  expect(limiter.when('a')).toBe(5);
});

test('the bucket lets a hundred through and then ten a second', () => {
  const limiter = bucketRateLimiter(new VirtualClock());
  expect(Array.from({ length: 100 }, () => limiter.when('a')).every((d) => d === 0)).toBe(true);
  expect([limiter.when('a'), limiter.when('b')]).toEqual([100, 200]);
});

test('workers never share a key, retry what fails, and end with the signal', async () => {
  const clock = new VirtualClock();
  const queue = createControllerQueue({ name: 'q', clock });
  const stop = new AbortController();
  const running = new Set<string>();
  const done: string[] = [];
  let failures = 2;
  const finished = runController(
    {
      name: 'q',
      clock,
      queue,
      workers: 3,
      async reconcile(key) {
        expect(running.has(key)).toBe(false);
        running.add(key);
        await clock.sleep(10);
        running.delete(key);
        if (key === 'b' && failures-- > 0) throw new Error('not yet');
        done.push(key);
        return key === 'a' && done.length < 3 ? { requeueAfterMs: 50 } : {};
      },
    },
    stop.signal,
  );
  queue.add('a');
  queue.add('b');
  await clock.advance(5);
  queue.add('a');
  await clock.advance(1000);
  expect(done).toEqual(['a', 'a', 'b', 'a']);
  stop.abort();
  await finished;
  queue.add('c');
  expect(queue.length).toBe(0);
});

test('metrics carry upstream names', async () => {
  const registry = new Registry();
  const metrics = createWorkQueueMetrics(registry);
  const queue = createControllerQueue({ name: 'deployment', clock: new VirtualClock(), metrics });
  queue.add('a');
  const text = await registry.metrics();
  expect(text).toContain('workqueue_depth{name="deployment"} 1');
  expect(text).toContain('workqueue_adds_total{name="deployment"} 1');
  expect(text).toContain('workqueue_unfinished_work_seconds{name="deployment"} 0');
});
