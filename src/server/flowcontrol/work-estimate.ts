/** How many seats a request takes, and for how long after it is done (k8s.io/apiserver/pkg/util/flowcontrol/request). */
import type { RequestContext } from '../exchange.ts';
import type { RequestInfo } from '../request.ts';
import { queryBoolean } from '../request-info.ts';

export interface WorkEstimate {
  /** While it runs. */
  seats: number;
  /** Afterwards, while watchers are told of what it has changed ... */
  finalSeats: number;
  /** ... for so long. */
  additionalMs: number;
}

const bytesPerSeat = 100_000;
/** A list out of the cache is written as it is encoded: no more than this is held of it at once. */
const mostBytesAtOnce = 1_000_000;
const [mostListSeats, mostWriteSeats] = [100, 10];
/** What telling one watcher costs here (bench: some 300,000 events a second on one thread). */
const msPerWatcher = 0.004;
/** How long a final seat is held at most, and from which on it is worth a timer. */
const msPerFinalSeat = 5;
const leastAdditionalMs = 1;

const one: WorkEstimate = { seats: 1, finalSeats: 0, additionalMs: 0 };
const changing = new Set(['create', 'update', 'patch', 'delete']);

export interface Workload {
  /** How many objects of the resource there are, and how large together; undefined where others keep them. */
  objects(context: RequestContext): { count: number; bytes: number } | undefined;
  /** How many watch what it changes. */
  watchers(context: RequestContext): number;
}

/** A watch that begins with all there is costs what the list of it does. */
function isList({ info, query }: RequestContext): boolean {
  if (info.verb === 'list') return true;
  if (info.verb !== 'watch') return false;
  return queryBoolean(query, 'sendInitialEvents') || ['', '0'].includes(query.get('resourceVersion') ?? '');
}

function listSeats(context: RequestContext, workload: Workload, most: number): number {
  const { info, query } = context;
  const limit = query.get('limit') || '0';
  // It will be refused, by others.
  if (!/^-?\d+$/.test(limit)) return most;
  const stored = workload.objects(context);
  if (stored === undefined || stored.count === 0) return 1;
  const count = info.name !== '' ? 1 : Number(limit) > 0 ? Math.min(Number(limit), stored.count) : stored.count;
  const bytes = (count * stored.bytes) / stored.count;
  const isPast = info.verb === 'list' && (Boolean(query.get('continue')) || query.get('resourceVersionMatch') === 'Exact');
  const atOnce = isPast ? bytes : Math.min(bytes, mostBytesAtOnce);
  return Math.min(most, Math.max(1, Math.ceil(atOnce / bytesPerSeat)));
}

/** Whether watchers are told of what a request changes. A new token is no change of its service account. */
export const isTold = ({ verb, resource, subresource }: RequestInfo): boolean =>
  changing.has(verb) && !(resource === 'serviceaccounts' && subresource === 'token');

/** `widest`: the most seats that the request's level is taken to give one, if it says so. */
export function estimateWork(context: RequestContext, workload: Workload, widest: number | undefined): WorkEstimate {
  const { info, query } = context;
  if (!info.isResourceRequest) return one;
  if (isList(context)) {
    const seats = listSeats(context, workload, Math.min(widest ?? mostListSeats, mostListSeats));
    return seats <= 1 ? one : { seats, finalSeats: 0, additionalMs: 0 };
  }
  // Nobody is told of what changes nothing.
  if (!isTold(info) || query.has('dryRun')) return one;
  const totalMs = workload.watchers(context) * msPerWatcher;
  if (totalMs < leastAdditionalMs) return one;
  const finalSeats = Math.min(widest ?? mostWriteSeats, mostWriteSeats, Math.ceil(totalMs / msPerFinalSeat));
  return { seats: 1, finalSeats, additionalMs: totalMs / finalSeats };
}
