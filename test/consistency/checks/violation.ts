import type { Operation, WatchSession } from '../history.ts';

/** Something that a consistent store can't have answered, and what shows it. */
export interface Violation {
  /** The promise that was broken, e.g. `linearizable`. */
  promise: string;
  /** One sentence with names and revisions. */
  what: string;
  /** The few operations and watches without which it would be none. */
  operations: Operation[];
  watches?: WatchSession[];
}
