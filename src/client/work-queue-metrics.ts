import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { WorkQueue, WorkQueueObserver } from './work-queue.ts';

/** Powers of ten from 10 ns to 10 s, as upstream's workqueue metrics have them. */
const buckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

export interface WorkQueueMetrics {
  observer(name: string): WorkQueueObserver;
  /** Has the gauges of running work read from the queue when metrics are collected. */
  track(name: string, queue: WorkQueue): void;
}

/** Upstream's `workqueue_*` metrics in `registry`, labelled by queue name. */
export function createWorkQueueMetrics(registry: Registry): WorkQueueMetrics {
  const queues = new Map<string, WorkQueue>();
  const common = { labelNames: ['name'] as const, registers: [registry] };
  const depth = new Gauge({ ...common, name: 'workqueue_depth', help: 'Current depth of workqueue' });
  const adds = new Counter({ ...common, name: 'workqueue_adds_total', help: 'Total number of adds handled by workqueue' });
  const retries = new Counter({ ...common, name: 'workqueue_retries_total', help: 'Total number of retries handled by workqueue' });
  const waited = new Histogram({
    ...common,
    buckets,
    name: 'workqueue_queue_duration_seconds',
    help: 'How long in seconds an item stays in workqueue before being requested.',
  });
  const worked = new Histogram({
    ...common,
    buckets,
    name: 'workqueue_work_duration_seconds',
    help: 'How long in seconds processing an item from workqueue takes.',
  });
  new Gauge({
    ...common,
    name: 'workqueue_unfinished_work_seconds',
    help: "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
    collect() {
      for (const [name, queue] of queues) this.set({ name }, sum(queue.running()));
    },
  });
  new Gauge({
    ...common,
    name: 'workqueue_longest_running_processor_seconds',
    help: 'How many seconds has the longest running processor for workqueue been running.',
    collect() {
      for (const [name, queue] of queues) this.set({ name }, Math.max(0, ...queue.running()));
    },
  });
  return {
    observer: (name) => ({
      added(length) {
        adds.inc({ name });
        depth.set({ name }, length);
      },
      started(length, seconds) {
        depth.set({ name }, length);
        waited.observe({ name }, seconds);
      },
      finished: (seconds) => worked.observe({ name }, seconds),
      retried: () => retries.inc({ name }),
    }),
    track: (name, queue) => void queues.set(name, queue),
  };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
