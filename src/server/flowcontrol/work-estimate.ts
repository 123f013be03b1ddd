/** How many seats a request takes, and for how long after it is done (k8s.io/apiserver/pkg/util/flowcontrol/request). */
import type { RequestContext } from '../exchange.ts';
import { queryBoolean } from '../request-info.ts';

export interface WorkEstimate {
  /** While it runs. */
  seats: number;
  /** Afterwards, while watchers are told of what it has changed ... */
  finalSeats: number;
  /** ... for so long. */
  additionalMs: number;
}

const objectsPerSeat = 100;
const mostSeats = 10;
/** What telling one watcher costs here (bench: some 300,000 events a second on one thread). */
const msPerWatcher = 0.004;
/** How long a final seat is held at most, and from which on it is worth a timer. */
const msPerFinalSeat = 5;
const leastAdditionalMs = 1;

const one: WorkEstimate = { seats: 1, finalSeats: 0, additionalMs: 0 };
const changing = new Set(['create', 'update', 'patch', 'delete']);

export interface Workload {
  /** How many objects of the resource there are. */
  objects(context: RequestContext): number;
  /** How many watch it. */
  watchers(context: RequestContext): number;
}

/** The widest that a request of a level with this nominal limit is taken for. */
export const widest = (nominalSeats: number) => Math.min(mostSeats, Math.max(1, Math.ceil(nominalSeats * 0.15)));

export function estimateWork(context: RequestContext, workload: Workload, nominalSeats: number): WorkEstimate {
  const { info, query } = context;
  if (!info.isResourceRequest) return one;
  if (info.verb === 'list' || (info.verb === 'watch' && queryBoolean(query, 'sendInitialEvents'))) {
    if (info.name !== '') return one;
    const stored = workload.objects(context);
    const limit = Number(query.get('limit') ?? 0);
    const version = query.get('resourceVersion') ?? '';
    // At version 0 the limit does not hold.
    const objects =
      limit > 0 && version !== '0' && !query.get('labelSelector') && !query.get('fieldSelector') ? Math.min(limit, stored) : stored;
    const seats = Math.min(widest(nominalSeats), Math.ceil(objects / objectsPerSeat));
    return seats <= 1 ? one : { seats, finalSeats: 0, additionalMs: 0 };
  }
  if (!changing.has(info.verb) || query.has('dryRun')) return one;
  const totalMs = workload.watchers(context) * msPerWatcher;
  if (totalMs < leastAdditionalMs) return one;
  const finalSeats = Math.min(widest(nominalSeats), Math.ceil(totalMs / msPerFinalSeat));
  return { seats: 1, finalSeats, additionalMs: totalMs / finalSeats };
}
