/**
 * API priority and fairness: every request belongs to a flow of the first FlowSchema that matches it, and waits for seats of that
 * schema's priority level (KEP-1040).
 */
import type { Registry } from 'prom-client';
import { FlowSchema, type KubeObject, PriorityLevelConfiguration, type Resource } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { registerWatermarks } from '../metrics/watermark.ts';
import { follow, type Storages } from '../storages.ts';
import { type Configured, configure, type Schema } from './configured.ts';
import { dumpAnswer } from './dumps.ts';
import { registerFlowMetrics } from './flow-metrics.ts';
import { KindUsage } from './kind-usage.ts';
import type { Admission, RequestLimiter } from './limiter.ts';
import { distinguisherOf } from './matching.ts';
import type { RejectReason, Seat } from './queue-set.ts';
import { allocateSeats } from './seat-allocation.ts';
import { WatchCounts } from './watch-counts.ts';
import { estimateWork, isTold, type WorkEstimate, type Workload } from './work-estimate.ts';

export interface PriorityAndFairnessOptions {
  clock: Clock;
  /** --max-requests-inflight plus --max-mutating-requests-inflight. */
  totalSeats: number;
  /** A request without a deadline of its own waits a quarter of this for its turn. */
  requestTimeoutSeconds: number;
  /** How many objects of a request's resource there are, and how large together; undefined where others keep them. */
  objects: Workload['objects'];
  metrics?: Registry;
}

export interface PriorityAndFairness extends RequestLimiter {
  readonly configured: Configured;
  /** /debug/api_priority_and_fairness/dump_*; undefined for any other path. */
  dump(context: RequestContext): Answer | undefined;
  /** Takes the configuration from the API's objects from now on; resolves when it has read them. */
  follow(storages: Storages, options: { signal: AbortSignal; onError(error: unknown): void }): Promise<void>;
}

/** How often levels lend anew while anybody asks for anything (upstream's borrowingAdjustmentPeriod). */
const borrowingPeriodMs = 10_000;
const msPerSecond = 1000;
/** Nobody waits longer for a turn. */
const longestWaitMs = 60_000;
/** A smoothed demand below this counts for nothing any more. */
const negligibleSeats = 0.01;
const reading = new Set(['get', 'list', 'watch']);

export function createPriorityAndFairness(options: PriorityAndFairnessOptions): PriorityAndFairness {
  const { clock, totalSeats, requestTimeoutSeconds } = options;
  /** A quarter of the time that a request has. */
  const waitLimitMs = ({ deadlineMs }: RequestContext): number => {
    const leftMs = deadlineMs === undefined ? requestTimeoutSeconds * msPerSecond : Math.max(0, deadlineMs - clock.monotonic());
    return Math.min(leftMs / 4, longestWaitMs);
  };
  const levelObjects = new Map<string, PriorityLevelConfiguration>();
  const schemaObjects = new Map<string, FlowSchema>();
  const watches = new WatchCounts();
  let lending = false;
  let configured: Configured;

  let targets: ReadonlyMap<string, number> = new Map();
  let fairFraction = 0;

  /** Gives each level what it may use until the next time; answers whether any has wanted something of late. */
  const share = (): boolean => {
    const now = clock.monotonic();
    let wanted = false;
    const demands = new Map(
      [...configured.levels].map(([name, { limits, queues }]) => {
        const { highest, smoothed } = queues.demand.period(now);
        if (highest > 0 || smoothed > negligibleSeats) wanted = true;
        return [name, { limits, exempt: queues.shape.exempt, highest, smoothed }];
      }),
    );
    const allocation = allocateSeats(demands);
    ({ targets, fairFraction } = allocation);
    for (const [name, { queues }] of configured.levels) queues.setLimit(allocation.seats.get(name) ?? 0);
    return wanted;
  };
  const arm = () => {
    if (lending) return;
    lending = true;
    const lend = () => {
      lending = false;
      if (share()) arm();
    };
    clock.setTimer(borrowingPeriodMs, lend, { background: true });
  };
  /** Requests that wait and run, by whether they change something. */
  const [readOnly, mutating] = [new KindUsage('readOnly', clock.monotonic()), new KindUsage('mutating', clock.monotonic())];
  const usageOf = ({ info }: RequestContext) => (reading.has(info.verb) ? readOnly : mutating);
  const reconfigure = () => {
    configured = configure(clock, totalSeats, levelObjects.values(), schemaObjects.values(), configured);
    share();
    let [places, seats] = [0, 0];
    for (const { queues, limits } of configured.levels.values()) {
      seats += limits.nominal;
      places += (queues.shape.queuing?.queues ?? 0) * (queues.shape.queuing?.queueLengthLimit ?? 0);
    }
    for (const usage of [readOnly, mutating]) usage.setCapacity(places, seats, clock.monotonic());
  };
  configured = configure(clock, totalSeats, [], [], undefined);
  reconfigure();
  if (options.metrics) {
    registerWatermarks(options.metrics, clock, {
      name: 'apiserver_current_inqueue_requests',
      help: 'Maximal number of queued requests in this apiserver per request kind in last second.',
      kinds: () => ({ readOnly: readOnly.queued, mutating: mutating.queued }),
    });
    registerFlowMetrics(options.metrics, {
      schemas: () => configured.schemas,
      levels: () => configured.levels.values(),
      targets: () => targets,
      fairFraction: () => fairFraction,
      kinds() {
        for (const usage of [readOnly, mutating]) usage.settle(clock.monotonic());
        return [readOnly, mutating];
      },
    });
  }

  const workload: Workload = { objects: options.objects, watchers: ({ info }) => watches.interestedIn(info) };
  const countWatch = ({ info, query, signal }: RequestContext) => {
    const forget = watches.add(info, query);
    if (signal.aborted) forget();
    else signal.addEventListener('abort', forget, { once: true });
  };

  const admitted = (schema: Schema, work: WorkEstimate, seat: Seat, context: RequestContext): Admission => {
    const { counters, level } = schema;
    const started = clock.monotonic();
    const seats = Math.max(work.seats, work.finalSeats);
    const usage = usageOf(context);
    const isWatch = context.info.verb === 'watch';
    const execution = isWatch ? counters.watchExecution : counters.execution;
    if (isWatch) countWatch(context);
    counters.dispatched++;
    counters.executing++;
    counters.executingSeats += seats;
    counters.waitExecuted.observe(seat.waitedMs / msPerSecond);
    usage.add(0, 1, started);
    let released = false;
    return {
      flowSchemaUid: schema.uid,
      priorityLevelUid: level.uid,
      release() {
        if (released) return;
        released = true;
        const now = clock.monotonic();
        counters.executing--;
        counters.executingSeats -= seats;
        execution.observe((now - started) / msPerSecond);
        usage.add(0, -1, now);
        seat.release();
      },
    };
  };
  const refused = ({ counters, level, uid }: Schema, reason: RejectReason, waitedMs: number): Admission => {
    counters.reject(reason, waitedMs / msPerSecond);
    return { flowSchemaUid: uid, priorityLevelUid: level.uid, release: undefined, retryAfterSeconds: level.dropped.record() };
  };

  return {
    get configured() {
      return configured;
    },
    dump: (context) => dumpAnswer(context, configured, clock.now() - clock.monotonic()),
    admit(context) {
      const { info, user } = context;
      // Whoever is in no group at all is everybody's too.
      const schema =
        configured.schemas.find((given) => given.matches(user, info)) ?? configured.schemas.find(({ name }) => name === 'catch-all');
      if (schema === undefined) return { release: undefined };
      arm();
      const { level, counters } = schema;
      const { queues } = level;
      const work = estimateWork(context, workload, level.widest);
      counters.seats.observe(Math.max(work.seats, work.finalSeats));
      if (isTold(info)) counters.watchers.observe(workload.watchers(context));
      const distinguisher = distinguisherOf(schema.spec, user, info);
      const hand = queues.shape.queuing === undefined ? [] : schema.hand(distinguisher);
      const about = { schema: schema.name, distinguisher, context };
      const answer = queues.begin(hand, work, () => context.signal, waitLimitMs(context), about);
      if (typeof answer === 'string') return refused(schema, answer, 0);
      if (!(answer instanceof Promise)) return admitted(schema, work, answer, context);
      const arrived = clock.monotonic();
      const usage = usageOf(context);
      counters.inQueue++;
      const seats = Math.max(work.seats, work.finalSeats);
      counters.inQueueSeats += seats;
      usage.add(1, 0, arrived);
      counters.queueLength.observe(queues.waiting);
      return answer.then((seat) => {
        counters.inQueue--;
        counters.inQueueSeats -= seats;
        usage.add(-1, 0, clock.monotonic());
        return typeof seat === 'string' ? refused(schema, seat, clock.monotonic() - arrived) : admitted(schema, work, seat, context);
      });
    },
    async follow(storages, given) {
      const into = <T extends KubeObject>(resource: Resource<T>, objects: Map<string, T>) =>
        follow(
          storages(resource),
          {
            reset: () => objects.clear(),
            set(object) {
              objects.set(object.metadata.name, object);
              reconfigure();
            },
            remove(object) {
              objects.delete(object.metadata.name);
              reconfigure();
            },
          },
          given,
        );
      await Promise.all([into(PriorityLevelConfiguration, levelObjects), into(FlowSchema, schemaObjects)]);
    },
  };
}
