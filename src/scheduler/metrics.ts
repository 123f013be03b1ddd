import { Counter, exponentialBuckets, Gauge, Histogram, type Registry } from 'prom-client';
import type { QueueName } from './queue/scheduling-queue.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

export interface SchedulerMetrics {
  attempted(result: AttemptResult, profile: string, seconds: number): void;
  algorithmTook(seconds: number): void;
  scheduled(attempts: number, sliSeconds: number): void;
  pointTook(point: string, outcome: string, profile: string, seconds: number): void;
  incoming(queue: QueueName, event: string): void;
  preempted(victims: number): void;
  inBinding(change: 1 | -1): void;
}

/** What the gauges show, read when somebody asks for them. */
export interface SchedulerGauges {
  pending(): Record<QueueName, number>;
  cacheSize(): { nodes: number; pods: number; assumed_pods: number };
}

/** Upstream's metrics of kube-scheduler, in a registry. A registry takes them once. */
export function createSchedulerMetrics(registry: Registry, gauges: SchedulerGauges): SchedulerMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: 'scheduler_schedule_attempts_total',
    help: "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
    labelNames: ['result', 'profile'],
    registers,
  });
  const attemptDuration = new Histogram({
    name: 'scheduler_scheduling_attempt_duration_seconds',
    help: 'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
    labelNames: ['result', 'profile'],
    buckets: exponentialBuckets(0.001, 2, 15),
    registers,
  });
  const algorithm = new Histogram({
    name: 'scheduler_scheduling_algorithm_duration_seconds',
    help: 'Scheduling algorithm latency in seconds',
    buckets: exponentialBuckets(0.001, 2, 15),
    registers,
  });
  const podAttempts = new Histogram({
    name: 'scheduler_pod_scheduling_attempts',
    help: 'Number of attempts to successfully schedule a pod.',
    buckets: exponentialBuckets(1, 2, 5),
    registers,
  });
  const sli = new Histogram({
    name: 'scheduler_pod_scheduling_sli_duration_seconds',
    help: 'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.',
    labelNames: ['attempts'],
    buckets: exponentialBuckets(0.01, 2, 20),
    registers,
  });
  const points = new Histogram({
    name: 'scheduler_framework_extension_point_duration_seconds',
    help: 'Latency for running all plugins of a specific extension point.',
    labelNames: ['extension_point', 'status', 'profile'],
    buckets: exponentialBuckets(0.0001, 2, 12),
    registers,
  });
  const incoming = new Counter({
    name: 'scheduler_queue_incoming_pods_total',
    help: 'Number of pods added to scheduling queues by event and queue type.',
    labelNames: ['queue', 'event'],
    registers,
  });
  const victims = new Histogram({
    name: 'scheduler_preemption_victims',
    help: 'Number of selected preemption victims',
    buckets: exponentialBuckets(1, 2, 7),
    registers,
  });
  const preemptions = new Counter({
    name: 'scheduler_preemption_attempts_total',
    help: 'Total preemption attempts in the cluster till now',
    registers,
  });
  const goroutines = new Gauge({
    name: 'scheduler_goroutines',
    help: 'Number of running goroutines split by the work they do such as binding.',
    labelNames: ['operation'],
    registers,
  });
  new Gauge({
    name: 'scheduler_pending_pods',
    help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
    labelNames: ['queue'],
    registers,
    collect() {
      for (const [queue, count] of Object.entries(gauges.pending())) this.set({ queue }, count);
    },
  });
  new Gauge({
    name: 'scheduler_scheduler_cache_size',
    help: 'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
    labelNames: ['type'],
    registers,
    collect() {
      for (const [type, count] of Object.entries(gauges.cacheSize())) this.set({ type }, count);
    },
  });
  goroutines.set({ operation: 'binding' }, 0);

  return {
    attempted(result, profile, seconds) {
      attempts.inc({ result, profile });
      attemptDuration.observe({ result, profile }, seconds);
    },
    algorithmTook: (seconds) => algorithm.observe(seconds),
    scheduled(count, sliSeconds) {
      podAttempts.observe(count);
      sli.observe({ attempts: count > 15 ? '16+' : String(count) }, sliSeconds);
    },
    pointTook: (extension_point, status, profile, seconds) => points.observe({ extension_point, status, profile }, seconds),
    incoming: (queue, event) => incoming.inc({ queue, event }),
    preempted(count) {
      preemptions.inc();
      victims.observe(count);
    },
    inBinding: (change) => goroutines.inc({ operation: 'binding' }, change),
  };
}
