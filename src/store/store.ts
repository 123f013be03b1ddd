/**
 * The Store: revisioned keys, compare-and-set, watch, leases, compaction. It knows keys and bytes, not kinds. Every engine
 * (memory, embedded, etcd) passes one contract test, and nothing reaches around this interface.
 *
 * Revisions are etcd's: one counter for the whole store, raised by each successful `commit` that writes; all keys of one
 * commit share its revision. The first write of an empty store gets revision 2, as in etcd.
 */

export interface StoredValue {
  key: string;
  value: Buffer;
  createRevision: number;
  modRevision: number;
  /** How often the key was written since it was created; 1 for a new one. */
  version: number;
  /** 0 where the key has no lease. */
  lease: number;
}

/** Holds when the key's modification revision is this one; 0 means that the key does not exist. */
export interface Condition {
  key: string;
  modRevision: number;
}

/** Keys and values of one commit may have this many bytes (etcd's --max-request-bytes). */
export const maxRequestBytes = 1.5 * 1024 * 1024;
/** Every engine takes keys of up to this many bytes. */
export const maxKeyBytes = 1900;

export type Operation = { put: string; value: Buffer; lease?: number } | { delete: string };

export type CommitResult =
  | { ok: true; revision: number }
  /** No condition-violating write happened; `current` has the present values of the condition's keys, undefined where a key is absent. */
  | { ok: false; revision: number; current: (StoredValue | undefined)[] };

export interface RangeOptions {
  /** Read the store as of this revision; default the newest. Throws CompactedError or FutureRevisionError. */
  revision?: number;
  /** At most this many keys. */
  limit?: number;
  /** Only keys from this one on (inclusive), for paging. */
  startKey?: string;
  countOnly?: boolean;
}

export interface RangeResult {
  /** The revision that the answer is true of. */
  revision: number;
  values: StoredValue[];
  /** How many keys the prefix (from startKey) holds in all. */
  count: number;
  more: boolean;
}

export interface StoreEvent {
  type: 'put' | 'delete';
  key: string;
  /** The value put; for a delete the last value before it where it is still known. */
  value: Buffer | undefined;
  createRevision: number;
  modRevision: number;
  version: number;
  /** Of what was put; 0 where there is none. */
  lease: number;
}

/** Events of whole revisions, in order; `revision` is what the watcher has now seen everything up to. No events: a progress notification. */
export interface WatchBatch {
  revision: number;
  events: StoreEvent[];
}

export interface WatchOptions {
  /** First revision to report; default: the next one to be written. */
  fromRevision?: number;
  signal?: AbortSignal;
}

/** When revisions were written. */
export interface RevisionTimes {
  /** The newest revision written at or before; undefined where that is before what is kept. */
  revisionAt(atMs: number): Promise<number | undefined>;
  /** Since when the past can be read; undefined where no time is known. */
  historyBegin(): Promise<number | undefined>;
}

/** Reads and writes as one step of a store that lets nothing come in between; what it writes shares one revision and is seen by its reads. */
export interface Transaction {
  revision(): number;
  get(key: string): StoredValue | undefined;
  /** The keys from `start` on, in byte order, for as long as `goesOn` says so. */
  range(start: string, goesOn: (key: string) => boolean): StoredValue[];
  hasLease(id: number): boolean;
  /** A key may be written once. */
  put(key: string, value: Buffer, lease: number): void;
  /** Whether it was there. */
  delete(key: string): boolean;
}

export interface Store {
  /** The newest revision that is durable and readable. */
  revision(): Promise<number>;
  get(key: string, options?: { revision?: number }): Promise<StoredValue | undefined>;
  /** The keys that begin with `prefix`, in byte order. */
  range(prefix: string, options?: RangeOptions): Promise<RangeResult>;
  /** Atomically: if all conditions hold, do all operations; answered after it is durable. */
  commit(conditions: readonly Condition[], operations: readonly Operation[]): Promise<CommitResult>;
  /**
   * Commits what the step does; answered after it is durable. The step must throw before it writes, or not at all. undefined: the engine
   * has conditions on single keys only (etcd, from here).
   */
  transact?<T>(step: (transaction: Transaction) => T): Promise<T>;
  /**
   * Ordered batches of what happens to the keys below `prefix`: nothing skipped, nothing twice. Ends with CompactedError when
   * the start is no longer kept or the reader fell too far behind, and quietly when the signal is aborted or the store closes.
   */
  watch(prefix: string, options?: WatchOptions): AsyncIterable<WatchBatch>;
  /** A new lease that lives for `ttlSeconds` unless kept alive; its keys are deleted when it ends. */
  grantLease(ttlSeconds: number, id?: number): Promise<{ id: number; ttlSeconds: number }>;
  /** Starts the lease's time over. Throws LeaseNotFoundError. */
  keepAlive(id: number): Promise<{ ttlSeconds: number }>;
  revokeLease(id: number): Promise<void>;
  leases(): Promise<{ id: number; grantedTtlSeconds: number; remainingTtlSeconds: number; keys: string[] }[]>;
  /** Forgets history before `revision`; what is current stays. */
  compact(revision: number): Promise<void>;
  /**
   * Gives room that compaction has made free back to the disk. Writes wait meanwhile, reads and watches go on. undefined: there is none
   * to give back (memory), or each member has to be asked (etcd).
   */
  defragment?(): Promise<{ beforeBytes: number; afterBytes: number }>;
  /** undefined: the engine knows no times (etcd). */
  readonly times?: RevisionTimes;
  /** Bytes on disk (or in memory), for status and metrics. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

/** The revision asked for has been compacted away. */
export class CompactedError extends Error {
  readonly compactRevision: number;
  constructor(compactRevision: number) {
    super('etcdserver: mvcc: required revision has been compacted');
    this.name = 'CompactedError';
    this.compactRevision = compactRevision;
  }
}

export class FutureRevisionError extends Error {
  constructor() {
    super('etcdserver: mvcc: required revision is a future revision');
    this.name = 'FutureRevisionError';
  }
}

export class LeaseNotFoundError extends Error {
  constructor() {
    super('etcdserver: requested lease not found');
    this.name = 'LeaseNotFoundError';
  }
}

/** What the commit would add does not fit on the disk. Nothing of it was written; reads go on, and writes when there is room again. */
export class NoSpaceError extends Error {
  constructor(detail: string, cause?: unknown) {
    super(`etcdserver: mvcc: database space exceeded: ${detail}`, { cause });
    this.name = 'NoSpaceError';
  }
}

/** What a client of etcd sends at most; more it does not even try. */
const maxMessageBytes = 2 * 1024 * 1024;
/** What a transaction says beside its keys and values. */
const envelopeBytes = 32;

/** More in one commit, or a longer key, than a store takes. */
export class RequestTooLargeError extends Error {
  constructor(message = 'etcdserver: request is too large') {
    super(message);
    this.name = 'RequestTooLargeError';
  }

  /** Of a commit, in the words of whoever would have refused it upstream: etcd, or its client. */
  static of(operations: readonly Operation[]): RequestTooLargeError {
    let bytes = envelopeBytes;
    for (const operation of operations) {
      const key = 'put' in operation ? operation.put : operation.delete;
      // It stands in the condition, too.
      bytes += 2 * Buffer.byteLength(key) + ('put' in operation ? operation.value.length : 0);
    }
    if (bytes <= maxMessageBytes) return new RequestTooLargeError();
    return new RequestTooLargeError(
      `rpc error: code = ResourceExhausted desc = trying to send message larger than max (${bytes} vs. ${maxMessageBytes})`,
    );
  }
}

/** The store has been closed, or was closed before the request could be answered. */
export class StoreClosedError extends Error {
  constructor() {
    super('the store is closed');
    this.name = 'StoreClosedError';
  }
}
