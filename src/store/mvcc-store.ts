/**
 * The Store over a backend of two ordered tables: multi-version concurrency, group commit, leases, compaction and watches, once for
 * the memory engine and the embedded one.
 */
import type { Clock } from '../time/index.ts';
import { type Backend, type Counters, positionOf, type Reclaimed, revisionOf, type Snapshot } from './backend.ts';
import { keysBelow, readEvents, readPast } from './history.ts';
import { LeaseClock } from './lease-clock.ts';
import { Forgetting, type Retention } from './retention.ts';
import {
  type CommitResult,
  CompactedError,
  type Condition,
  FutureRevisionError,
  LeaseNotFoundError,
  maxKeyBytes,
  maxRequestBytes,
  type Operation,
  type RangeOptions,
  type RangeResult,
  RequestTooLargeError,
  type Store,
  StoreClosedError,
  type StoredValue,
} from './store.ts';
import { historyBegin, revisionAt } from './times.ts';
import { WatchHub } from './watch-hub.ts';
import { toStored, WriteGroup } from './write-group.ts';

export interface MvccOptions {
  backend: Backend;
  clock: Clock;
  retention?: Retention;
  /** Told of failures that have no caller: an expired lease that could not be removed, a compaction that failed. */
  onBackgroundError: (error: unknown, what: string) => void;
}

/** A write on its way into a group. */
interface Pending {
  evaluate(group: WriteGroup): void;
  resolve(): void;
  reject(error: unknown): void;
}

const groupLimit = 1024;
const sweepLimit = 2000;
const retryExpiryMs = 5000;

export function openMvccStore({ backend, clock, retention, onBackgroundError }: MvccOptions): Store {
  const forgetting = new Forgetting(retention);
  /** What is durable and has been told to watchers. */
  let counters: Counters = backend.snapshot().counters();
  let closed = false;
  const hub = new WatchHub({
    revision: () => counters.revision,
    compactRevision: () => counters.compactRevision,
    read: (prefix, fromRevision) => readEvents(backend.snapshot(), prefix, fromRevision, counters.revision),
  });
  const leases = new LeaseClock(clock, (ids) => {
    Promise.all(ids.map((id) => enqueue((group) => group.revokeLease(id)).then(() => leases.remove(id)))).catch((error) => {
      if (closed) return;
      leases.postpone(ids, retryExpiryMs);
      onBackgroundError(error, 'removing expired leases');
    });
  });
  let nextLeaseId = 1;
  for (const lease of backend.snapshot().leases()) {
    leases.add(lease);
    nextLeaseId = Math.max(nextLeaseId, lease.id + 1);
  }

  let queue: Pending[] = [];
  /** What has to be done between two groups. */
  let between: (() => Promise<void>)[] = [];
  let pumping: Promise<void> | undefined;

  function enqueue<T>(evaluate: (group: WriteGroup) => T): Promise<T> {
    if (closed) return Promise.reject(new StoreClosedError());
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let result: T;
    queue.push({
      evaluate: (group) => {
        result = evaluate(group);
      },
      resolve: () => resolve(result),
      reject,
    });
    pumping ??= pump();
    return promise;
  }

  /** While one group is on its way to disk the next one gathers. */
  async function pump(): Promise<void> {
    // Everything that is asked for in the same turn shares the first group.
    await Promise.resolve();
    while (queue.length > 0 || between.length > 0) {
      const waiting = between;
      between = [];
      for (const work of waiting) await work();
      const members = queue.slice(0, groupLimit);
      queue = queue.slice(groupLimit);
      if (members.length > 0) await writeGroup(members);
    }
    pumping = undefined;
  }

  function defragment(): Promise<Reclaimed> {
    if (closed) return Promise.reject(new StoreClosedError());
    return new Promise((resolve, reject) => {
      between.push(async () => backend.defragment?.().then(resolve, reject));
      pumping ??= pump();
    });
  }

  async function writeGroup(members: readonly Pending[]): Promise<void> {
    const group = new WriteGroup(backend.snapshot(), counters, clock.now());
    const evaluated = members.filter((member) => {
      try {
        member.evaluate(group);
        return true;
      } catch (error) {
        member.reject(error);
        return false;
      }
    });
    try {
      if (!group.isEmpty) await backend.write(group.batch);
    } catch (error) {
      for (const member of evaluated) member.reject(error);
      return;
    }
    counters = group.counters;
    if (group.events.length > 0) hub.publish(counters.revision, group.events);
    for (const member of evaluated) member.resolve();
    if (group.events.length > 0) forgetOldHistory();
  }

  let compacting = false;

  function forgetOldHistory(): void {
    if (compacting || closed) return;
    const target = forgetting.target(() => backend.snapshot(), clock.now(), counters);
    if (target === undefined) return;
    compacting = true;
    compact(target)
      .catch((error) => {
        if (!closed) onBackgroundError(error, `compacting to revision ${target}`);
      })
      .finally(() => {
        compacting = false;
      });
  }

  async function compact(revision: number): Promise<void> {
    await enqueue((group) => {
      if (revision <= group.counters.compactRevision) throw new CompactedError(group.counters.compactRevision);
      if (revision > group.counters.revision) throw new FutureRevisionError();
      group.hideHistoryBefore(revision);
    });
    // Swept in small groups so that commits in between wait for none of it.
    while (await enqueue((group) => group.sweep(sweepLimit)));
  }

  function snapshotAt(revision: number | undefined): { snapshot: Snapshot; now: Counters; past: boolean } {
    if (closed) throw new StoreClosedError();
    const snapshot = backend.snapshot();
    const now = snapshot.counters();
    if (revision !== undefined && revision > 0) {
      if (revision > now.revision) throw new FutureRevisionError();
      if (revision < now.compactRevision) throw new CompactedError(now.compactRevision);
    }
    return { snapshot, now, past: revision !== undefined && revision > 0 && revision < now.revision };
  }

  function valueAt(snapshot: Snapshot, key: string, revision: number): StoredValue | undefined {
    // Who knows when it was written finds it at once.
    for (const entry of snapshot.entriesFrom(positionOf(revision, 0))) {
      if (revisionOf(entry.position) > revision) break;
      if (entry.key === key) return entry.type === 'put' ? toStored(entry) : undefined;
    }
    const record = snapshot.key(key);
    if (record && record.createRevision <= revision) {
      let entry = snapshot.entry(record.position);
      while (entry && revisionOf(entry.position) > revision) entry = snapshot.entry(entry.previous);
      return entry && toStored(entry);
    }
    for (const entry of snapshot.entriesFrom(positionOf(revision + 1, 0))) {
      if (entry.key !== key) continue;
      const before = entry.previous > 0 ? snapshot.entry(entry.previous) : undefined;
      return before && toStored(before);
    }
    return undefined;
  }

  function rangeNow(snapshot: Snapshot, revision: number, prefix: string, options: RangeOptions): RangeResult {
    const start = options.startKey ?? prefix;
    if (options.countOnly) return { revision, values: [], count: snapshot.countKeys(prefix, start), more: false };
    const limit = options.limit || Number.POSITIVE_INFINITY;
    const values: StoredValue[] = [];
    let more = false;
    for (const [, record] of keysBelow(snapshot, prefix, start)) {
      if (values.length >= limit) {
        more = true;
        break;
      }
      const entry = snapshot.entry(record.position);
      if (!entry) throw new Error(`the store's log has no entry at position ${record.position}`);
      values.push(toStored(entry));
    }
    return { revision, values, count: more ? snapshot.countKeys(prefix, start) : values.length, more };
  }

  function rangePast(snapshot: Snapshot, prefix: string, options: RangeOptions & { revision: number }): RangeResult {
    const limit = options.countOnly ? 0 : options.limit || Number.POSITIVE_INFINITY;
    const { revision, startKey: start = prefix } = options;
    const { entries, count } = readPast(snapshot, { prefix, start, revision, limit });
    return { revision, values: entries.map(toStored), count, more: !options.countOnly && count > entries.length };
  }

  return {
    revision: async () => {
      if (closed) throw new StoreClosedError();
      return counters.revision;
    },

    get: async (key, options) => {
      const { snapshot, past } = snapshotAt(options?.revision);
      if (past) return valueAt(snapshot, key, options?.revision ?? 0);
      const record = snapshot.key(key);
      const entry = record && snapshot.entry(record.position);
      return entry && toStored(entry);
    },

    range: async (prefix, options = {}) => {
      const { snapshot, now, past } = snapshotAt(options.revision);
      if (past) return rangePast(snapshot, prefix, { ...options, revision: options.revision ?? 0 });
      return rangeNow(snapshot, now.revision, prefix, options);
    },

    commit: async (conditions: readonly Condition[], operations: readonly Operation[]): Promise<CommitResult> => {
      checkSize(operations);
      return enqueue((group) => group.commit(conditions, operations));
    },

    transact: (step) => enqueue((group) => step(group.transaction())),

    watch: (prefix, options) => hub.watch(prefix, options),

    grantLease: async (ttlSeconds, id) => {
      const lease = { ttlSeconds, id: id || nextLeaseId };
      nextLeaseId = Math.max(nextLeaseId, lease.id + 1);
      await enqueue((group) => group.grantLease(lease));
      leases.add(lease);
      return lease;
    },

    keepAlive: async (id) => ({ ttlSeconds: leases.keepAlive(id) }),

    revokeLease: async (id) => {
      if (!leases.has(id)) throw new LeaseNotFoundError();
      await enqueue((group) => group.revokeLease(id));
      leases.remove(id);
    },

    leases: async () => {
      const snapshot = backend.snapshot();
      return leases.list().map((lease) => ({ ...lease, keys: snapshot.leaseKeys(lease.id) }));
    },

    compact,

    times: {
      revisionAt: async (atMs) => {
        if (closed) throw new StoreClosedError();
        return revisionAt(backend.snapshot(), atMs);
      },
      historyBegin: async () => {
        if (closed) throw new StoreClosedError();
        return historyBegin(backend.snapshot());
      },
    },

    sizeBytes: () => backend.sizeBytes(),

    ...(backend.defragment ? { defragment } : {}),

    close: async () => {
      if (closed) return;
      closed = true;
      leases.close();
      // What was asked for before is still written and answered.
      await pumping;
      hub.close();
      await backend.close();
    },
  };
}

/** Before anything is begun: what the tables refuse would leave a group half done. */
function checkSize(operations: readonly Operation[]): void {
  let bytes = 0;
  for (const operation of operations) {
    const keyBytes = Buffer.byteLength('put' in operation ? operation.put : operation.delete);
    if (keyBytes > maxKeyBytes)
      throw new RequestTooLargeError(`etcdserver: request is too large: a key may have ${maxKeyBytes} bytes, not ${keyBytes}`);
    bytes += keyBytes + ('put' in operation ? operation.value.length : 0);
  }
  if (bytes > maxRequestBytes) throw RequestTooLargeError.of(operations);
}
