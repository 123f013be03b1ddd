/** Reading the log backwards in time: the store as of a revision, and what has happened since one. */
import { type KeyRecord, type LogEntry, type Position, positionOf, revisionOf, type Snapshot } from './backend.ts';
import { compareKeys } from './key-order.ts';
import type { StoreEvent, WatchBatch } from './store.ts';
import { toEvent } from './write-group.ts';

/** At most about so many log entries are read in one go, to give control back to the event loop. */
const entriesAtATime = 2000;

/** Events of whole revisions from `fromRevision` to at most `throughRevision`, for watchers that are behind. */
export function readEvents(snapshot: Snapshot, prefix: string, fromRevision: number, throughRevision: number): WatchBatch {
  const events: StoreEvent[] = [];
  let seen = 0;
  let last = fromRevision;
  for (const entry of snapshot.entriesFrom(positionOf(fromRevision, 0))) {
    const revision = revisionOf(entry.position);
    if (revision > throughRevision) break;
    if (seen++ >= entriesAtATime && revision > last) return { revision: revision - 1, events };
    last = revision;
    if (!entry.key.startsWith(prefix)) continue;
    events.push(toEvent(entry, entry.type === 'put' ? entry.value : snapshot.entry(entry.previous)?.value));
  }
  return { revision: throughRevision, events };
}

export interface PastOptions {
  prefix: string;
  start: string;
  revision: number;
  limit: number;
}

/** The keys below a prefix as of a past revision: the present, with what was written since undone. */
export function readPast(snapshot: Snapshot, { prefix, start, revision, limit }: PastOptions): { entries: LogEntry[]; count: number } {
  /** Keys written since, with where their state at `revision` stands (0: absent), and whether they live now. */
  const changed = new Map<string, { previous: Position; lives: boolean }>();
  for (const entry of snapshot.entriesFrom(positionOf(revision + 1, 0))) {
    if (!entry.key.startsWith(prefix) || compareKeys(entry.key, start) < 0) continue;
    const known = changed.get(entry.key);
    if (known) known.lives = entry.type === 'put';
    else changed.set(entry.key, { previous: entry.previous, lives: entry.type === 'put' });
  }
  let count = snapshot.countKeys(prefix, start);
  const past: [string, Position][] = [];
  for (const [key, { previous, lives }] of changed) {
    if (lives) count--;
    if (previous > 0) {
      count++;
      past.push([key, previous]);
    }
  }
  past.sort((a, b) => compareKeys(a[0], b[0]));

  const entries: LogEntry[] = [];
  const take = (position: Position) => {
    const entry = snapshot.entry(position);
    if (!entry) throw new Error(`the store's log has no entry at position ${position}`);
    entries.push(entry);
  };
  let next = 0;
  const takePastBefore = (key: string | undefined) => {
    for (; entries.length < limit; next++) {
      const candidate = past[next];
      if (!candidate || (key !== undefined && compareKeys(candidate[0], key) > 0)) return;
      take(candidate[1]);
    }
  };
  for (const [key, record] of keysBelow(snapshot, prefix, start)) {
    if (entries.length >= limit) break;
    if (changed.has(key)) continue;
    takePastBefore(key);
    if (entries.length < limit) take(record.position);
  }
  takePastBefore(undefined);
  return { entries, count };
}

export function* keysBelow(snapshot: Snapshot, prefix: string, start: string): Generator<[string, KeyRecord]> {
  for (const pair of snapshot.keysFrom(start)) {
    if (!pair[0].startsWith(prefix)) return;
    yield pair;
  }
}
