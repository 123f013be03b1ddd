/** /debug/api_priority_and_fairness/dump_*: what the levels, their queues and waiting requests are, as upstream prints them. */
import { type Answer, type RequestContext, textAnswer } from '../exchange.ts';
import { queryBoolean } from '../request-info.ts';
import type { Configured, PriorityLevel } from './configured.ts';

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
  const counts = new Map<string, { dispatched: number; rejected: number; timedOut: number; cancelled: number }>();
  for (const { level, counters } of configured.schemas) {
    const sum = counts.get(level.name) ?? { dispatched: 0, rejected: 0, timedOut: 0, cancelled: 0 };
    counts.set(level.name, sum);
    sum.dispatched += counters.dispatched;
    for (const [reason, count] of counters.rejected) {
      if (reason === 'time-out') sum.timedOut += count;
      else if (reason === 'cancelled') sum.cancelled += count;
      else sum.rejected += count;
    }
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
      const { dispatched = 0, rejected = 0, timedOut = 0, cancelled = 0 } = counts.get(name) ?? {};
      const active = [...queues.queues].filter(({ waiting }) => waiting.length > 0).length;
      const isIdle = queues.executing === 0 && queues.waiting === 0;
      return [name, active, isIdle, false, queues.waiting, queues.executing, dispatched, rejected, timedOut, cancelled];
    }),
  ]);
}

function dumpQueues(configured: Configured): string {
  const rows = levelsOf(configured).flatMap(({ name, queues }) =>
    [...queues.queues]
      .sort((a, b) => a.index - b.index)
      .map(({ index, waiting, executing, seatsInUse, nextDispatch, waitingWork }): Row => {
        const seats = waiting.reduce((sum, { work }) => sum + work.seats, 0);
        const most = waiting.reduce((sum, { work }) => sum + Math.max(work.seats, work.finalSeats), 0);
        return [
          name,
          index,
          waiting.length,
          executing,
          seatsInUse,
          `${nextDispatch.toFixed(8)}ss`,
          seats,
          most,
          `${waitingWork.toFixed(8)}ss`,
        ];
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

/** `since`: the wall time at which the clock of the queues began. */
function dumpRequests(configured: Configured, details: boolean, since: number): string {
  const rows = levelsOf(configured).flatMap(({ name, queues }) =>
    [...queues.queues].flatMap(({ index, waiting }) =>
      waiting.flatMap(({ about, work, arrivedMs }, i): Row[] => {
        if (about === undefined) return [];
        const { user, info } = about.context;
        const arrived = new Date(since + arrivedMs).toISOString();
        const row = [name, about.schema, index, i, about.distinguisher, arrived, work.seats, work.finalSeats, `${work.additionalMs}ms`];
        if (!details) return [row];
        const { verb, path, namespace, apiVersion, resource, subresource } = info;
        return [[...row, user.name, verb, path, namespace, info.name, apiVersion, resource, subresource]];
      }),
    ),
  );
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
      return textAnswer(dumpRequests(configured, queryBoolean(query, 'includeRequestDetails'), since));
    default:
      return undefined;
  }
}
