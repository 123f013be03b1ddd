/** Searching the log, whose entries are in the order of revisions, by time and by size. */
import { type Counters, type LogEntry, positionOf, revisionOf, type Snapshot } from './backend.ts';

/** The first entry of the kept history that passes, where all after it do as well. */
function firstEntry(
  snapshot: Snapshot,
  { compactRevision, revision }: Counters,
  passes: (entry: LogEntry) => boolean,
): LogEntry | undefined {
  let low = compactRevision;
  let high = revision + 1;
  let found: LogEntry | undefined;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = entryFrom(snapshot, middle);
    if (entry && !passes(entry)) low = revisionOf(entry.position) + 1;
    else {
      high = middle;
      found = entry;
    }
  }
  return found;
}

function entryFrom(snapshot: Snapshot, revision: number): LogEntry | undefined {
  for (const entry of snapshot.entriesFrom(positionOf(revision, 0))) return entry;
  return undefined;
}

/** The newest revision that was written at or before `atMs`; undefined where history does not go back so far or has no times. */
export function revisionAt(snapshot: Snapshot, atMs: number): number | undefined {
  const counters = snapshot.counters();
  const later = firstEntry(snapshot, counters, (entry) => entry.atMs > atMs);
  const revision = later ? revisionOf(later.position) - 1 : counters.revision;
  const first = entryFrom(snapshot, counters.compactRevision);
  // What was before the first entry, and when entries of an older format were written, nobody knows.
  if (!first || first.atMs > atMs || revision < counters.compactRevision) return undefined;
  return entryFrom(snapshot, revision)?.atMs === 0 ? undefined : revision;
}

/** Since when the past can be read; undefined where nothing was written yet. */
export function historyBegin(snapshot: Snapshot): number | undefined {
  return firstEntry(snapshot, snapshot.counters(), (entry) => entry.atMs > 0)?.atMs;
}

/** The newest revision before which the log has at most `bytes` less than now. */
export function revisionBySize(snapshot: Snapshot, bytes: number): number {
  const counters = snapshot.counters();
  const kept = firstEntry(snapshot, counters, (entry) => entry.offset >= counters.writtenBytes - bytes);
  return kept ? revisionOf(kept.position) - 1 : counters.revision;
}

/** Something that happened to a key. */
export interface StoredChange {
  revision: number;
  /** Milliseconds since the epoch; 0 where it is not known. */
  atMs: number;
  type: 'created' | 'changed' | 'deleted';
  key: string;
  /** undefined for a delete. */
  after: Buffer | undefined;
  /** undefined for a creation, and where it is no longer kept. */
  before: Buffer | undefined;
}

/** What has happened since, in order, and of what is older the last that happened to each key that lives. */
export function* changesSince(snapshot: Snapshot, sinceMs: number | undefined): Generator<StoredChange> {
  const counters = snapshot.counters();
  const first =
    sinceMs === undefined ? undefined : firstEntry(snapshot, { ...counters, compactRevision: 0 }, (entry) => entry.atMs >= sinceMs);
  if (sinceMs !== undefined && !first) return;
  for (const { position, atMs, type, key, previous, version, value } of snapshot.entriesFrom(first?.position ?? 0)) {
    const before = previous > 0 ? snapshot.entry(previous)?.value : undefined;
    const happened = type === 'delete' ? 'deleted' : version === 1 ? 'created' : 'changed';
    yield { revision: revisionOf(position), atMs, type: happened, key, after: type === 'put' ? value : undefined, before };
  }
}
