/** apiserver_flowcontrol_* with upstream's names. Requests only count in plain fields; lines are made when somebody scrapes. */
import type { Metric, Registry } from 'prom-client';
import { Buckets } from './buckets.ts';
import type { PriorityLevel, Schema } from './configured.ts';
import type { KindUsage } from './kind-usage.ts';
import type { Dispatch, RejectReason } from './queue-set.ts';

type Labels = Record<string, string>;
interface Sample {
  labels: Labels;
  value: number;
  metricName?: string;
}

const secondsBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const queueLengthBuckets = [0, 10, 25, 50, 100, 250, 500, 1000];
const seatBuckets = [1, 2, 4, 8, 16, 32, 64, 100];
const watcherBuckets = [0, 1, 10, 100, 1000, 10_000];

/** What is counted of one schema's requests. */
export class FlowCounters {
  dispatched = 0;
  inQueue = 0;
  inQueueSeats = 0;
  executing = 0;
  executingSeats = 0;
  readonly rejected = new Map<RejectReason, number>();
  readonly waitExecuted = new Buckets(secondsBuckets);
  readonly waitRejected = new Buckets(secondsBuckets);
  readonly execution = new Buckets(secondsBuckets);
  readonly watchExecution = new Buckets(secondsBuckets);
  readonly queueLength = new Buckets(queueLengthBuckets);
  readonly seats = new Buckets(seatBuckets);
  readonly watchers = new Buckets(watcherBuckets);

  reject(reason: RejectReason, waitedSeconds: number): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
    this.waitRejected.observe(waitedSeconds);
  }
}

export interface FlowControlState {
  schemas(): Iterable<Schema>;
  levels(): Iterable<PriorityLevel>;
  /** What each level should have now, if there were enough, and the part of it that those get whom no bound holds back. */
  targets(): ReadonlyMap<string, number>;
  fairFraction(): number;
  /** Requests that wait and run, by whether they change something. */
  kinds(): Iterable<KindUsage>;
}

export function registerFlowMetrics(registry: Registry, state: FlowControlState): void {
  const add = (name: string, help: string, type: 'counter' | 'gauge' | 'histogram', values: () => Sample[]) => {
    // The registry asks a metric for no more than this.
    const metric = { name, help, type, aggregator: 'sum', reset() {}, get: () => Promise.resolve({ name, help, type, values: values() }) };
    registry.registerMetric(metric as unknown as Metric);
  };
  const bySchema = (samples: (counters: FlowCounters, labels: Labels) => Sample[]) => () =>
    [...state.schemas()].flatMap(({ name, level, counters }) => samples(counters, { priority_level: level.name, flow_schema: name }));
  const byLevel = (value: (level: PriorityLevel) => number | undefined) => () =>
    [...state.levels()].flatMap((level) => {
      const given = value(level);
      return given === undefined ? [] : [{ labels: { priority_level: level.name }, value: given }];
    });
  const prefix = 'apiserver_flowcontrol_';
  const flow = (name: string, help: string, type: 'counter' | 'gauge', value: (counters: FlowCounters) => number) =>
    add(
      prefix + name,
      help,
      type,
      bySchema((counters, labels) => [{ labels, value: value(counters) }]),
    );
  const histogram = (name: string, help: string, samples: (counters: FlowCounters, labels: Labels, name: string) => Sample[]) =>
    add(
      prefix + name,
      help,
      'histogram',
      bySchema((counters, labels) => samples(counters, labels, prefix + name)),
    );

  add(
    `${prefix}rejected_requests_total`,
    'Number of requests rejected by API Priority and Fairness subsystem',
    'counter',
    bySchema(({ rejected }, labels) => [...rejected].map(([reason, value]) => ({ labels: { ...labels, reason }, value }))),
  );
  flow('dispatched_requests_total', 'Number of requests executed by API Priority and Fairness subsystem', 'counter', (c) => c.dispatched);
  flow(
    'current_inqueue_requests',
    'Number of requests currently pending in queues of the API Priority and Fairness subsystem',
    'gauge',
    (c) => c.inQueue,
  );
  flow(
    'current_executing_requests',
    'Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem',
    'gauge',
    (c) => c.executing,
  );
  flow(
    'current_executing_seats',
    'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
    'gauge',
    (c) => c.executingSeats,
  );
  histogram('request_wait_duration_seconds', 'Length of time a request spent waiting in its queue', (c, labels, name) => [
    ...c.waitExecuted.samples(name, { ...labels, execute: 'true' }),
    ...c.waitRejected.samples(name, { ...labels, execute: 'false' }),
  ]);
  histogram(
    'request_execution_seconds',
    'Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem',
    (c, labels, name) => [
      ...c.execution.samples(name, { ...labels, type: 'regular' }),
      ...c.watchExecution.samples(name, { ...labels, type: 'watch' }),
    ],
  );
  histogram(
    'request_queue_length_after_enqueue',
    'Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued',
    (c, labels, name) => c.queueLength.samples(name, labels),
  );
  histogram(
    'work_estimated_seats',
    'Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness',
    (c, labels, name) => c.seats.samples(name, labels),
  );
  histogram('watch_count_samples', 'count of watchers for mutating requests in API Priority and Fairness', (c, labels, name) =>
    c.watchers.samples(name, labels),
  );
  flow(
    'current_inqueue_seats',
    'Number of seats currently pending in queues of the API Priority and Fairness subsystem',
    'gauge',
    (c) => c.inQueueSeats,
  );
  const level = (name: string, help: string, value: (level: PriorityLevel) => number | undefined) =>
    add(prefix + name, help, 'gauge', byLevel(value));
  level('nominal_limit_seats', 'Nominal number of execution seats configured for each priority level', (l) => l.limits.nominal);
  level('lower_limit_seats', 'Configured lower bound on number of execution seats available to each priority level', (l) => l.limits.lower);
  level('upper_limit_seats', 'Configured upper bound on number of execution seats available to each priority level', (l) => l.limits.upper);
  level('current_limit_seats', 'current derived number of execution seats available to each priority level', (l) => l.queues.limit);
  const { targets } = state;
  level('demand_seats_high_watermark', 'High watermark, over last adjustment period, of demand_seats', (l) => l.queues.demand.last.highest);
  level('demand_seats_average', 'Time-weighted average, over last adjustment period, of demand_seats', (l) => l.queues.demand.last.average);
  level(
    'demand_seats_stdev',
    'Time-weighted standard deviation, over last adjustment period, of demand_seats',
    (l) => l.queues.demand.last.deviation,
  );
  level('demand_seats_smoothed', 'Smoothed seat demands', (l) => l.queues.demand.last.smoothed);
  level('target_seats', 'Seat allocation targets', (l) => targets().get(l.name));
  add(
    `${prefix}seat_fair_frac`,
    "Fair fraction of server's concurrency to allocate to each priority level that can use it",
    'gauge',
    () => [{ labels: {}, value: state.fairFraction() }],
  );
  level('current_r', 'R(time of last change)', (l) => l.queues.virtualTime);
  level('dispatch_r', 'R(time of last dispatch)', (l) => l.queues.dispatched?.at);
  level('latest_s', 'S(most recently dispatched request)', (l) => l.queues.dispatched?.begins);
  const bounds = (name: string, help: string, of: (dispatch: Dispatch) => readonly [number, number]) =>
    add(prefix + name, help, 'gauge', () =>
      [...state.levels()].flatMap(({ name: priority_level, queues: { dispatched } }) => {
        const [least, most] = dispatched === undefined ? [] : of(dispatched);
        if (least === undefined || most === undefined) return [];
        return [
          { labels: { priority_level, bound: 'min' }, value: least },
          { labels: { priority_level, bound: 'max' }, value: most },
        ];
      }),
    );
  bounds('next_s_bounds', 'min and max, over queues, of S(oldest waiting request in queue)', ({ next }) => next);
  bounds(
    'next_discounted_s_bounds',
    'min and max, over queues, of S(oldest waiting request in queue) - estimated work in progress',
    ({ discounted }) => discounted,
  );
  add(
    `${prefix}request_dispatch_no_accommodation_total`,
    'Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats',
    'counter',
    () =>
      [...state.levels()].flatMap(({ name, queues }) =>
        [...queues.noRoom].map(([schema, value]) => ({ labels: { priority_level: name, flow_schema: schema }, value })),
      ),
  );
  const utilization = (name: string, help: string, samples: (level: PriorityLevel, labels: Labels, name: string) => Sample[]) =>
    add(prefix + name, help, 'histogram', () => [...state.levels()].flatMap((l) => samples(l, { priority_level: l.name }, prefix + name)));
  utilization(
    'priority_level_seat_utilization',
    'Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)',
    ({ queues }, labels, name) => queues.usage.seats.samples(name, { ...labels, phase: 'executing' }),
  );
  utilization(
    'priority_level_request_utilization',
    'Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)',
    ({ queues }, labels, name) => [
      ...queues.usage.waiting.samples(name, { ...labels, phase: 'waiting' }),
      ...queues.usage.executing.samples(name, { ...labels, phase: 'executing' }),
    ],
  );
  utilization(
    'demand_seats',
    'Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)',
    ({ queues }, labels, name) => queues.usage.demand.samples(name, labels),
  );
  const byKind = `${prefix}read_vs_write_current_requests`;
  add(
    byKind,
    'Observations, at the end of every nanosecond, of the number of requests (as a fraction of the relevant limit) waiting or in regular stage of execution',
    'histogram',
    () =>
      [...state.kinds()].flatMap(({ kind, waited, executed }) => [
        ...waited.samples(byKind, { phase: 'waiting', request_kind: kind }),
        ...executed.samples(byKind, { phase: 'executing', request_kind: kind }),
      ]),
  );
}
