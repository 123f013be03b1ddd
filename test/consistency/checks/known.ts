/** Which revisions were certainly there, and which certainly not yet, at a moment: what real time says about the order. */
import type { History, Operation } from '../history.ts';

export interface Known {
  /** Somebody had been told of this revision by then, so that whoever asks from now on for the newest must see it. */
  floor(at: number): { revision: number; by: Operation | undefined };
  /** Nobody had asked by then for what became this revision; Infinity where there is none. */
  ceiling(at: number): { revision: number; by: Operation | undefined };
}

interface Point {
  at: number;
  revision: number;
  by: Operation | undefined;
}

/** `revisionOf`: what a write became, where that is known. */
export function knownRevisions(history: History, revisionOf: (operation: Operation) => number | undefined): Known {
  const told: Point[] = [];
  const asked: Point[] = [];
  for (const operation of history.operations) {
    const { list, state, answeredAt: at, invokedAt } = operation;
    const written = revisionOf(operation);
    const revision = Math.max(list?.revision ?? 0, state?.revision ?? 0, (operation.outcome === 'done' && written) || 0);
    if (revision > 0) told.push({ at, revision, by: operation });
    if (written) asked.push({ at: invokedAt, revision: written, by: operation });
  }
  for (const watch of history.watches) {
    for (const { at, revision } of watch.events) told.push({ at, revision, by: undefined });
  }
  const floors = rising(told.sort((a, b) => a.at - b.at));
  const ceilings = rising(asked.sort((a, b) => b.at - a.at).map((point) => ({ ...point, revision: -point.revision })))
    .map((point) => ({ ...point, revision: -point.revision }))
    .reverse();
  return {
    floor: (at) => floors[firstNotBefore(floors, at) - 1] ?? { revision: 0, by: undefined },
    ceiling: (at) => {
      let index = firstNotBefore(ceilings, at);
      while (ceilings[index]?.at === at) index++;
      return ceilings[index] ?? { revision: Number.POSITIVE_INFINITY, by: undefined };
    },
  };
}

/** Those that are more than all before them. */
function rising(points: readonly Point[]): Point[] {
  const kept: Point[] = [];
  for (const point of points) if (point.revision > (kept.at(-1)?.revision ?? Number.NEGATIVE_INFINITY)) kept.push(point);
  return kept;
}

function firstNotBefore(points: readonly Point[], at: number): number {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
