/**
 * What the multi-version store (`mvcc-store.ts`) stands on: two ordered tables and a few numbers, written in atomic batches.
 * `keys` says where the newest entry of each living key is; `log` holds every entry in the order of revisions until compaction.
 * A value is stored once, in the log.
 */

/** Where an entry stands in the log: its revision and its place among the operations of that revision, in one number. */
export type Position = number;

/** So many operations may share a revision. Revisions up to 2^41 stay exact in a double. */
export const operationsPerRevision = 4096;

export function positionOf(revision: number, index: number): Position {
  return revision * operationsPerRevision + index;
}

export function revisionOf(position: Position): number {
  return Math.floor(position / operationsPerRevision);
}

/** The newest state of a living key. */
export interface KeyRecord {
  position: Position;
  createRevision: number;
  version: number;
  lease: number;
}

/** One operation, as it happened. */
export interface LogEntry {
  position: Position;
  type: 'put' | 'delete';
  key: string;
  createRevision: number;
  version: number;
  lease: number;
  /** The entry that this one supersedes; 0 where the key was absent. */
  previous: Position;
  /** When it was written, in milliseconds since the epoch; never less than an earlier entry's. 0: not known. */
  atMs: number;
  /** How many bytes the log's entries before it had (also those that are gone): what it takes to keep history up to a size. */
  offset: number;
  value: Buffer;
}

/** What an entry counts in `offset`. */
export function entrySize(key: string, value: Buffer): number {
  return 64 + key.length + value.length;
}

export interface Counters {
  revision: number;
  /** History before this revision is forgotten. */
  compactRevision: number;
  /** Up to here the log has been swept of superseded entries. */
  sweptRevision: number;
  /** The offset of the next entry. */
  writtenBytes: number;
  /** The time of the last entry. */
  writtenMs: number;
}

export interface LeaseRecord {
  id: number;
  ttlSeconds: number;
}

/** A consistent view; valid until the caller gives control back to the event loop. */
export interface Snapshot {
  counters(): Counters;
  key(key: string): KeyRecord | undefined;
  /** Living keys not before `start`, in byte order, to the end of the table. */
  keysFrom(start: string): Iterable<[key: string, record: KeyRecord]>;
  /** How many living keys begin with `prefix` and are not before `start`. */
  countKeys(prefix: string, start: string): number;
  entry(position: Position): LogEntry | undefined;
  entriesFrom(position: Position): Iterable<LogEntry>;
  leases(): LeaseRecord[];
  lease(id: number): LeaseRecord | undefined;
  leaseKeys(id: number): string[];
}

/** What one atomic write changes. */
export interface Batch {
  counters: Counters;
  /** undefined: the key dies. */
  keys: Map<string, KeyRecord | undefined>;
  entries: Map<Position, LogEntry>;
  removedEntries: Position[];
  /** undefined: the lease ends. */
  leases: Map<number, LeaseRecord | undefined>;
  attached: { lease: number; key: string }[];
  detached: { lease: number; key: string }[];
}

/** The size of the file before and after. */
export interface Reclaimed {
  beforeBytes: number;
  afterBytes: number;
}

export interface Backend {
  snapshot(): Snapshot;
  /** Resolves once the batch is durable and visible to new snapshots; rejects having changed nothing. */
  write(batch: Batch): Promise<void>;
  sizeBytes(): Promise<number>;
  /** Gives room that has become free back to the disk; while it does, nobody may write. */
  defragment?(): Promise<Reclaimed>;
  close(): Promise<void>;
}
