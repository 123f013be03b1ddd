/** /debug/api_priority_and_fairness/dump_*: what the levels, their queues and waiting requests are, as upstream prints them. */
import { formatGoDuration } from '../../api/index.ts';
import { type Answer, type RequestContext, textAnswer } from '../exchange.ts';
import type { Configured, PriorityLevel } from './configured.ts';
import type { Entry, Queue } from './queue-set.ts';

const prefix = '/debug/api_priority_and_fairness/';
const leastColumnWidth = 8;

type Row = readonly (string | number | boolean)[];

/** Cells end with a comma and are padded to their column; the last is left as it is (Go's text/tabwriter). */
function table(rows: readonly Row[]): string {
  const texts = rows.map((row) => row.map((cell, i) => (i < row.length - 1 ? `${cell},` : `${cell}`)));
  const widths = (texts[0] ?? []).map((_, i) => Math.max(leastColumnWidth, ...texts.map((row) => (row[i]?.length ?? 0) + 1)));
  return texts.map((row) => `${row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell)).join('')}\n`).join('');
}

const levelsOf = ({ levels }: Configured): PriorityLevel[] => [...levels.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

function dumpLevels(configured: Configured): string {
  const counts = new Map<string, { dispatched: number; rejected: number; cancelled: number }>();
  for (const { level, counters } of configured.schemas) {
    const sum = counts.get(level.name) ?? { dispatched: 0, rejected: 0, cancelled: 0 };
    counts.set(level.name, sum);
    sum.dispatched += counters.dispatched;
    for (const count of counters.rejected.values()) sum.rejected += count;
    sum.cancelled += counters.rejected.get('time-out') ?? 0;
  }
  const header = [
    'PriorityLevelName',
    'ActiveQueues',
    'IsIdle',
    'IsQuiescing',
    'WaitingRequests',
    'ExecutingRequests',
    'DispatchedRequests',
    'RejectedRequests',
    'TimedoutRequests',
    'CancelledRequests',
  ];
  return table([
    header,
    ...levelsOf(configured).map(({ name, queues }) => {
      const { dispatched = 0, rejected = 0, cancelled = 0 } = counts.get(name) ?? {};
      const active = [...queues.queues].filter(({ waiting }) => waiting.length > 0).length;
      const isIdle = queues.executing === 0 && queues.waiting === 0;
      // Who waited too long has been cancelled: upstream counts nobody as timed out.
      return [name, active, isIdle, false, queues.waiting, queues.executing, dispatched, rejected, 0, cancelled];
    }),
  ]);
}

/** As it is before anything has come to it, and long after. */
const idle = (index: number) => ({ index, waiting: [], executing: 0, seatsInUse: 0, nextDispatch: 0, waitingWork: 0 });

/** All queues that a level is to have, and those it has still; in their order. */
function queuesOf({ queues }: PriorityLevel): Readonly<Queue>[] {
  const active = new Map([...queues.queues].map((queue) => [queue.index, queue]));
  const wanted = Array.from({ length: queues.shape.queuing?.queues ?? 0 }, (_, index) => active.get(index) ?? idle(index));
  const others = [...active.values()].filter(({ index }) => index >= wanted.length);
  return [...wanted, ...others.sort((a, b) => a.index - b.index)];
}

function dumpQueues(configured: Configured): string {
  const rows = levelsOf(configured).flatMap((level) =>
    queuesOf(level).map(({ index, waiting, executing, seatsInUse, nextDispatch, waitingWork }): Row => {
      const seats = waiting.reduce((sum, { work }) => sum + work.seats, 0);
      const most = waiting.reduce((sum, { work }) => sum + Math.max(work.seats, work.finalSeats), 0);
      const [dispatch, sum] = [`${nextDispatch.toFixed(8)}ss`, `${waitingWork.toFixed(8)}ss`];
      return [level.name, index, waiting.length, executing, seatsInUse, dispatch, seats, most, sum];
    }),
  );
  const header = [
    'PriorityLevelName',
    'Index',
    'PendingRequests',
    'ExecutingRequests',
    'SeatsInUse',
    'NextDispatchR',
    'InitialSeatsSum',
    'MaxSeatsSum',
    'TotalWorkSum',
  ];
  return table([header, ...rows]);
}

/** As Go has it: no zeros at the end. */
const rfc3339 = (ms: number) => new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
/** Of what has not begun: Go's zero time. */
const never = '0001-01-01T00:00:00Z';

/** `since`: the wall time at which the clock of the queues began. What runs has no place in its queue any more. */
function dumpRequests(configured: Configured, details: boolean, since: number): string {
  const rowOf = (level: PriorityLevel, place: number, { queue, about, work, arrivedMs, startedMs }: Readonly<Entry>): Row[] => {
    if (about === undefined) return [];
    const { schema, distinguisher, context } = about;
    const started = place < 0 ? rfc3339(since + startedMs) : never;
    const latency = formatGoDuration(BigInt(Math.round(work.additionalMs * 1e6)));
    const of = [level.name, schema, queue?.index ?? -1, place, distinguisher];
    const row = [...of, rfc3339(since + arrivedMs), work.seats, work.finalSeats, latency, started];
    if (!details) return [row];
    const { verb, path, namespace, name, apiGroup, apiVersion, resource, subresource } = context.info;
    const version = apiGroup === '' ? apiVersion : `${apiGroup}/${apiVersion}`;
    return [[...row, context.user.name, verb, path, namespace, name, version, resource, subresource]];
  };
  const rows = levelsOf(configured).flatMap((level) => {
    const running = [...level.queues.running];
    const runningOf = (index: number | undefined) =>
      running.filter(({ queue }) => queue?.index === index).flatMap((entry) => rowOf(level, -1, entry));
    return [
      ...queuesOf(level).flatMap(({ index, waiting }) => [...waiting.flatMap((entry, i) => rowOf(level, i, entry)), ...runningOf(index)]),
      ...runningOf(undefined),
    ];
  });
  const header = [
    'PriorityLevelName',
    'FlowSchemaName',
    'QueueIndex',
    'RequestIndexInQueue',
    'FlowDistingsher',
    'ArriveTime',
    'InitialSeats',
    'FinalSeats',
    'AdditionalLatency',
    'StartTime',
  ];
  const more = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];
  return table([details ? [...header, ...more] : header, ...rows]);
}

/** The answer to a path of these; undefined for any other. */
export function dumpAnswer({ path, query }: RequestContext, configured: Configured, since: number): Answer | undefined {
  if (!path.startsWith(prefix)) return undefined;
  switch (path.slice(prefix.length)) {
    case 'dump_priority_levels':
      return textAnswer(dumpLevels(configured));
    case 'dump_queues':
      return textAnswer(dumpQueues(configured));
    case 'dump_requests':
      return textAnswer(dumpRequests(configured, Boolean(query.get('includeRequestDetails')), since));
    default:
      return undefined;
  }
}
