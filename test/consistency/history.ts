/**
 * What happened in a run, as those who asked saw it: every request with when it was made and answered, every watch with what it was sent,
 * what was done to the servers. One monotonic clock (milliseconds since the run began) times them all. It is what is checked, and what
 * is kept of a run: one JSON document a line.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** `NAMESPACE/NAME` of a ConfigMap. */
export type Key = string;

/** An object, by what a run gives it: each write has a value of its own. */
export interface ObjectState {
  revision: number;
  uid: string;
  value: string;
  color: string;
}

/** What a request asks for. Versions are as in the query or the object, '' where there is none. */
export type Call =
  | { verb: 'create'; key: Key; value: string; color: string }
  | { verb: 'update'; key: Key; value: string; color: string; ifRevision?: number }
  /** Sets the value and leaves the color. A JSON patch tests the value first. */
  | { verb: 'patch'; type: 'merge' | 'strategic' | 'json'; key: Key; value: string; ifRevision?: number; ifValue?: string }
  /** Server-side apply with force: creates or overwrites. */
  | { verb: 'apply'; key: Key; value: string; color: string }
  | { verb: 'delete'; key: Key; ifRevision?: number; ifUid?: string }
  | { verb: 'deletecollection'; namespace: string; color?: string }
  | { verb: 'get'; key: Key; version: string }
  | {
      verb: 'list';
      namespace?: string;
      color?: string;
      limit?: number;
      version: string;
      match?: 'Exact' | 'NotOlderThan';
      /** The operation whose page this one follows. */
      continues?: number;
      /** With the token that came with a 410: what follows that page by name, as it is now. */
      afresh?: true;
    };

export interface ListAnswer {
  revision: number;
  items: { key: Key; state: ObjectState }[];
  /** Whether there are further pages. */
  more: boolean;
  remaining?: number;
}

export interface Operation {
  entry: 'operation';
  id: number;
  client: string;
  server: string;
  call: Call;
  invokedAt: number;
  /** Infinity (null in JSON) where there was no answer. */
  answeredAt: number;
  /**
   * `refused`: the server said no, and why, from what it knew of the objects; nothing was done. `failed`: nothing was done, for reasons
   * that tell nothing about the objects. `unknown`: it may have been done, or be done later.
   */
  outcome: 'done' | 'refused' | 'failed' | 'unknown';
  /** Of the answer where there was one, e.g. 409. */
  status?: number;
  message?: string;
  /** What get and writes answer. */
  state?: ObjectState;
  /** What delete answers. */
  uid?: string;
  /** What deletecollection answers: all that it has found, and that is gone now. */
  deleted?: { key: Key; uid: string }[];
  list?: ListAnswer;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export interface SeenEvent {
  at: number;
  type: WatchEventType;
  revision: number;
  /** Absent on bookmarks. */
  key?: Key;
  state?: ObjectState;
  /** On the bookmark that ends the initial events. */
  initialEventsEnd?: true;
}

/** One watch request, from its opening to its end. */
export interface WatchSession {
  entry: 'watch';
  id: number;
  client: string;
  server: string;
  namespace?: string;
  name?: string;
  color?: string;
  version: string;
  initialEvents: boolean;
  bookmarks: boolean;
  /** Where it takes up what another has left. */
  resumes?: number;
  invokedAt: number;
  endedAt: number;
  events: SeenEvent[];
  /** `ended`: by the server in good order. `lost`: the connection died. `cut`: by the client. `expired`: 410. `failed`: any other refusal. */
  end: 'ended' | 'lost' | 'cut' | 'expired' | 'failed';
  message?: string;
}

/** Something that happened to the system; a server that was `started` has forgotten what it knew, and begins with what is there before it is `ready`. */
export interface Incident {
  entry: 'incident';
  at: number;
  what: string;
  server?: string;
  is?: 'started' | 'ready' | 'fault' | 'over';
  /** History before this revision was given up. */
  compacted?: number;
}

export interface HistoryHead {
  entry: 'head';
  engine: string;
  seed: number;
  seconds: number;
  /** The store was at this revision, without objects, when the run began. */
  beginRevision: number;
  /** What was written last, when all was well again, and waited for; 0 where the run was ended before. */
  endRevision: number;
  /** Watches from the beginning to the end, which must have seen everything up to `endRevision`: `client` of their sessions. */
  observers: string[];
}

export interface History {
  head: HistoryHead;
  operations: Operation[];
  watches: WatchSession[];
  incidents: Incident[];
}

export const emptyHistory = (head: HistoryHead): History => ({ head, operations: [], watches: [], incidents: [] });

export function writeHistory(file: string, { head, operations, watches, incidents }: History): void {
  writeFileSync(file, [head, ...incidents, ...operations, ...watches].map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

export function readHistory(file: string): History {
  const entries = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    // What the file has was written by writeHistory.
    .map((line) => JSON.parse(line) as HistoryHead | Operation | WatchSession | Incident);
  const [head] = entries;
  if (head?.entry !== 'head') throw new Error(`${file} is no history of a run`);
  const history = emptyHistory(head);
  for (const entry of entries) {
    if (entry.entry === 'operation') history.operations.push({ ...entry, answeredAt: entry.answeredAt ?? Number.POSITIVE_INFINITY });
    else if (entry.entry === 'watch') history.watches.push(entry);
    else if (entry.entry === 'incident') history.incidents.push(entry);
  }
  return history;
}
