/**
 * API priority and fairness: every request belongs to a flow of the first FlowSchema that matches it, and waits for seats of that
 * schema's priority level (KEP-1040).
 */
import type { Registry } from 'prom-client';
import { FlowSchema, type KubeObject, PriorityLevelConfiguration, type Resource } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { follow, type Storages } from '../storages.ts';
import { type Configured, configure, type Schema } from './configured.ts';
import { dumpAnswer } from './dumps.ts';
import { registerFlowMetrics } from './flow-metrics.ts';
import type { Admission, RequestLimiter } from './limiter.ts';
import { distinguisherOf } from './matching.ts';
import type { RejectReason, Seat } from './queue-set.ts';
import { allocateSeats } from './seat-allocation.ts';
import { estimateWork, type WorkEstimate } from './work-estimate.ts';

export interface PriorityAndFairnessOptions {
  clock: Clock;
  /** --max-requests-inflight plus --max-mutating-requests-inflight. */
  totalSeats: number;
  /** A request waits a quarter of this for its turn. */
  requestTimeoutSeconds: number;
  /** How many objects of a request's resource there are. */
  objects(context: RequestContext): number;
  metrics?: Registry;
}

export interface PriorityAndFairness extends RequestLimiter {
  readonly configured: Configured;
  /** /debug/api_priority_and_fairness/dump_*; undefined for any other path. */
  dump(context: RequestContext): Answer | undefined;
  /** Takes the configuration from the API's objects from now on; resolves when it has read them. */
  follow(storages: Storages, options: { signal: AbortSignal; onError(error: unknown): void }): Promise<void>;
}

/** How often levels lend anew while there is contention (upstream's borrowingAdjustmentPeriod). */
const borrowingPeriodMs = 10_000;
const msPerSecond = 1000;

export function createPriorityAndFairness(options: PriorityAndFairnessOptions): PriorityAndFairness {
  const { clock, totalSeats, requestTimeoutSeconds } = options;
  const waitLimitMs = (requestTimeoutSeconds * msPerSecond) / 4;
  const levelObjects = new Map<string, PriorityLevelConfiguration>();
  const schemaObjects = new Map<string, FlowSchema>();
  const watchers = new Map<string, number>();
  let lending = false;
  let configured: Configured;

  const lend = () => {
    lending = false;
    const now = clock.monotonic();
    let contended = false;
    const demands = new Map(
      [...configured.levels].map(([name, { limits, queues }]) => {
        const { highest, smoothed } = queues.demand.period(now);
        // Who has used all there was may have wanted more: a level that does not queue cannot show it.
        if (!queues.shape.exempt && highest > 0 && highest >= limits.nominal) contended = true;
        return [name, { limits, highest, smoothed }];
      }),
    );
    const seats = contended ? allocateSeats(demands, totalSeats) : undefined;
    for (const [name, { limits, queues }] of configured.levels) queues.setLimit(seats?.get(name) ?? limits.nominal);
    if (contended) arm();
  };
  const arm = () => {
    if (lending) return;
    lending = true;
    clock.setTimer(borrowingPeriodMs, lend, { background: true });
  };
  const reconfigure = () => {
    configured = configure(clock, totalSeats, levelObjects.values(), schemaObjects.values(), configured);
    for (const { queues } of configured.levels.values()) queues.onContention = arm;
  };
  configured = configure(clock, totalSeats, [], [], undefined);
  reconfigure();
  if (options.metrics)
    registerFlowMetrics(options.metrics, { schemas: () => configured.schemas, levels: () => configured.levels.values() });

  const resourceOf = ({ info }: RequestContext) => `${info.apiGroup}/${info.resource}`;
  const workload = { objects: options.objects, watchers: (context: RequestContext) => watchers.get(resourceOf(context)) ?? 0 };
  const countWatcher = (context: RequestContext) => {
    const resource = resourceOf(context);
    watchers.set(resource, (watchers.get(resource) ?? 0) + 1);
    const forget = () => {
      const left = (watchers.get(resource) ?? 1) - 1;
      if (left > 0) watchers.set(resource, left);
      else watchers.delete(resource);
    };
    if (context.signal.aborted) forget();
    else context.signal.addEventListener('abort', forget, { once: true });
  };

  const admitted = (schema: Schema, work: WorkEstimate, seat: Seat): Admission => {
    const { counters, level } = schema;
    const started = clock.monotonic();
    const seats = Math.max(work.seats, work.finalSeats);
    counters.dispatched++;
    counters.executing++;
    counters.executingSeats += seats;
    counters.waitExecuted.observe(seat.waitedMs / msPerSecond);
    return {
      flowSchemaUid: schema.uid,
      priorityLevelUid: level.uid,
      release() {
        counters.executing--;
        counters.executingSeats -= seats;
        counters.execution.observe((clock.monotonic() - started) / msPerSecond);
        seat.release();
      },
    };
  };
  const refused = (schema: Schema, reason: RejectReason, waitedMs: number): Admission => {
    schema.counters.reject(reason, waitedMs / msPerSecond);
    return { flowSchemaUid: schema.uid, priorityLevelUid: schema.level.uid, release: undefined };
  };

  return {
    get configured() {
      return configured;
    },
    dump: (context) => dumpAnswer(context, configured, clock.now() - clock.monotonic()),
    admit(context) {
      const { info, user } = context;
      if (info.verb === 'watch') countWatcher(context);
      const schema = configured.schemas.find((given) => given.matches(user, info));
      // catch-all takes everybody who is authenticated or not.
      if (schema === undefined) return { release: undefined };
      const { level, counters } = schema;
      const { queues } = level;
      const work = estimateWork(context, workload, level.limits.nominal);
      counters.seats.observe(Math.max(work.seats, work.finalSeats));
      const distinguisher = distinguisherOf(schema.spec, user, info);
      const hand = queues.shape.queuing === undefined ? [] : schema.hand(distinguisher);
      const about = { schema: schema.name, distinguisher, context };
      const answer = queues.begin(hand, work, () => context.signal, waitLimitMs, about);
      if (typeof answer === 'string') return refused(schema, answer, 0);
      if (!(answer instanceof Promise)) return admitted(schema, work, answer);
      const arrived = clock.monotonic();
      counters.inQueue++;
      counters.queueLength.observe(queues.waiting);
      return answer.then((seat) => {
        counters.inQueue--;
        return typeof seat === 'string' ? refused(schema, seat, clock.monotonic() - arrived) : admitted(schema, work, seat);
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
