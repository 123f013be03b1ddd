/** Whether what a store holds fits together. */
import { type Counters, type KeyRecord, type LogEntry, type Position, revisionOf, type Snapshot } from './backend.ts';
import { historyBegin } from './times.ts';

export interface StoreFacts {
  revision: number;
  /** Reads of the past go back to this revision ... */
  compactRevision: number;
  /** ... and this time (milliseconds since the epoch), where it is known. */
  historyBeginMs?: number;
  keys: number;
  /** Puts and deletes in the log: one for each key, and the history. */
  entries: number;
  leases: number;
}

export interface StoreCheck extends StoreFacts {
  /** What is wrong; nothing when the store is sound. At most `problemLimit` of them. */
  problems: string[];
}

const problemLimit = 20;

/** Reads everything: each log entry with its checksum, and each key with the entry it points to. */
export function verify(snapshot: Snapshot): StoreCheck {
  const problems: string[] = [];
  const report = (problem: string) => {
    if (problems.length < problemLimit) problems.push(problem);
  };
  const counters = snapshot.counters();
  const { newest, entries } = verifyLog(snapshot, counters, report);
  let keys = 0;
  try {
    for (const [key, record] of snapshot.keysFrom('')) {
      keys++;
      const entry = newest.get(key);
      newest.delete(key);
      if (!entry || !agree(record, entry)) report(`the key ${key} does not agree with its entry in the log`);
      else if (record.lease !== 0 && !snapshot.lease(record.lease))
        report(`the key ${key} has lease ${record.lease}, which does not exist`);
    }
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
  }
  for (const key of newest.keys()) report(`the key ${key} is in the log and not among the keys`);
  const leases = snapshot.leases();
  const { revision, compactRevision } = counters;
  const begin = problems.length === 0 ? historyBegin(snapshot) : undefined;
  return {
    revision,
    compactRevision,
    ...(begin === undefined ? {} : { historyBeginMs: begin }),
    keys,
    entries,
    leases: leases.length,
    problems,
  };
}

type Newest = Pick<LogEntry, 'position' | 'createRevision' | 'version' | 'lease'>;

function verifyLog(
  snapshot: Snapshot,
  counters: Counters,
  report: (problem: string) => void,
): { newest: Map<string, Newest>; entries: number } {
  const newest = new Map<string, Newest>();
  let entries = 0;
  let last: { position: Position; offset: number; atMs: number } = { position: -1, offset: -1, atMs: 0 };
  try {
    for (const { position, key, type, createRevision, version, lease, offset, atMs } of snapshot.entriesFrom(0)) {
      entries++;
      if (position <= last.position || offset < last.offset || atMs < last.atMs) report(`the log is out of order at position ${position}`);
      if (type === 'put') newest.set(key, { position, createRevision, version, lease });
      else newest.delete(key);
      last = { position, offset, atMs };
    }
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
  }
  if (revisionOf(last.position) > counters.revision) report(`the log goes beyond revision ${counters.revision}`);
  return { newest, entries };
}

const agree = (record: KeyRecord, entry: Newest) =>
  record.position === entry.position &&
  record.createRevision === entry.createRevision &&
  record.version === entry.version &&
  record.lease === entry.lease;
