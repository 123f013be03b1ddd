/**
 * Many commits on their way to disk together. Each is evaluated in order against the snapshot and what the ones before it in the
 * group will have written, so that compare-and-set means the same as if they had been written one by one.
 */
import {
  type Batch,
  type Counters,
  entrySize,
  type KeyRecord,
  type LeaseRecord,
  type LogEntry,
  operationsPerRevision,
  positionOf,
  type Snapshot,
} from './backend.ts';
import { compareKeys } from './key-order.ts';
import {
  type CommitResult,
  type Condition,
  LeaseNotFoundError,
  type Operation,
  type StoredValue,
  type StoreEvent,
  type Transaction,
} from './store.ts';

const nothing = Buffer.alloc(0);

export class WriteGroup {
  readonly #snapshot: Snapshot;
  readonly #atMs: number;
  readonly batch: Batch;
  /** What watchers will be told once the group is durable. */
  readonly events: StoreEvent[] = [];

  constructor(snapshot: Snapshot, counters: Counters, nowMs: number) {
    this.#snapshot = snapshot;
    this.#atMs = Math.max(nowMs, counters.writtenMs);
    this.batch = {
      counters: { ...counters },
      keys: new Map(),
      entries: new Map(),
      removedEntries: [],
      leases: new Map(),
      attached: [],
      detached: [],
    };
  }

  get counters(): Counters {
    return this.batch.counters;
  }

  get isEmpty(): boolean {
    const b = this.batch;
    return b.keys.size + b.entries.size + b.leases.size + b.removedEntries.length === 0 && !this.#countersTouched;
  }

  #countersTouched = false;

  commit(conditions: readonly Condition[], operations: readonly Operation[]): CommitResult {
    this.#check(operations);
    if (!conditions.every((c) => this.#modRevision(c.key) === c.modRevision)) {
      return { ok: false, revision: this.counters.revision, current: conditions.map((c) => this.current(c.key)) };
    }
    const effective = operations.filter((o) => 'put' in o || this.#record(o.delete) !== undefined);
    if (effective.length > 0) {
      const revision = ++this.counters.revision;
      for (const [index, operation] of effective.entries()) {
        if ('put' in operation) this.#put(positionOf(revision, index), operation.put, operation.value, operation.lease ?? 0);
        else this.#delete(positionOf(revision, index), operation.delete);
      }
    }
    return { ok: true, revision: this.counters.revision };
  }

  #check(operations: readonly Operation[]): void {
    if (operations.length > operationsPerRevision) throw new RangeError('etcdserver: too many operations in txn request');
    const seen = new Set<string>();
    for (const operation of operations) {
      const key = 'put' in operation ? operation.put : operation.delete;
      if (key === '') throw new RangeError('etcdserver: key is not provided');
      if (seen.has(key)) throw new RangeError('etcdserver: duplicate key given in txn request');
      seen.add(key);
      if ('put' in operation && operation.lease && !this.#leaseExists(operation.lease)) throw new LeaseNotFoundError();
    }
  }

  /** Operations one after another, under one revision. */
  transaction(): Transaction {
    let revision: number | undefined;
    let index = 0;
    const position = () => {
      revision ??= ++this.counters.revision;
      return positionOf(revision, index++);
    };
    return {
      revision: () => this.counters.revision,
      get: (key) => this.current(key),
      range: (start, goesOn) => this.#range(start, goesOn),
      hasLease: (id) => this.#leaseExists(id),
      put: (key, value, lease) => this.#put(position(), key, value, lease),
      delete: (key) => {
        if (this.#record(key) === undefined) return false;
        this.#delete(position(), key);
        return true;
      },
    };
  }

  #range(start: string, goesOn: (key: string) => boolean): StoredValue[] {
    const keys: string[] = [];
    for (const [key] of this.#snapshot.keysFrom(start)) {
      if (!goesOn(key)) break;
      if (!this.batch.keys.has(key)) keys.push(key);
    }
    for (const [key, record] of this.batch.keys) if (record && compareKeys(key, start) >= 0 && goesOn(key)) keys.push(key);
    return keys.sort(compareKeys).flatMap((key) => this.current(key) ?? []);
  }

  grantLease(lease: LeaseRecord): void {
    if (this.#leaseExists(lease.id)) throw new Error('etcdserver: lease already exists');
    this.batch.leases.set(lease.id, lease);
  }

  /** Ends a lease; its keys go with it. */
  revokeLease(id: number): void {
    if (!this.#leaseExists(id)) throw new LeaseNotFoundError();
    const candidates = new Set(this.#snapshot.leaseKeys(id));
    for (const { lease, key } of this.batch.attached) if (lease === id) candidates.add(key);
    const keys = [...candidates].filter((key) => this.#record(key)?.lease === id);
    for (let i = 0; i < keys.length; i += operationsPerRevision) {
      this.commit(
        [],
        keys.slice(i, i + operationsPerRevision).map((key) => ({ delete: key })),
      );
    }
    this.batch.leases.set(id, undefined);
  }

  hideHistoryBefore(revision: number): void {
    this.counters.compactRevision = revision;
    this.#countersTouched = true;
  }

  /**
   * Removes superseded entries up to the compact revision, at most about `limit` of the log at a time; false when nothing is left to do.
   * An entry goes when the entry that supersedes it is inside the forgotten range, a tombstone when it is itself.
   */
  sweep(limit: number): boolean {
    const { sweptRevision, compactRevision } = this.counters;
    if (sweptRevision >= compactRevision) return false;
    let seen = 0;
    let reached = compactRevision;
    for (const entry of this.#snapshot.entriesFrom(positionOf(sweptRevision, 0))) {
      const revision = Math.floor(entry.position / operationsPerRevision);
      if (revision > compactRevision) break;
      if (seen++ >= limit && revision > sweptRevision + 1) {
        // This revision is looked at again by the next sweep, as is the last one of a sweep that reaches its end.
        reached = revision - 1;
        break;
      }
      if (entry.previous > 0) this.batch.removedEntries.push(entry.previous);
      if (entry.type === 'delete' && revision < compactRevision) this.batch.removedEntries.push(entry.position);
    }
    this.counters.sweptRevision = reached;
    this.#countersTouched = true;
    return reached < compactRevision;
  }

  current(key: string): StoredValue | undefined {
    const record = this.#record(key);
    const entry = record && this.#entry(record.position);
    return entry && toStored(entry);
  }

  #leaseExists(id: number): boolean {
    return this.batch.leases.has(id) ? this.batch.leases.get(id) !== undefined : this.#snapshot.lease(id) !== undefined;
  }

  #record(key: string): KeyRecord | undefined {
    return this.batch.keys.has(key) ? this.batch.keys.get(key) : this.#snapshot.key(key);
  }

  #entry(position: number): LogEntry | undefined {
    return this.batch.entries.get(position) ?? this.#snapshot.entry(position);
  }

  #modRevision(key: string): number {
    return Math.floor((this.#record(key)?.position ?? 0) / operationsPerRevision);
  }

  #put(position: number, key: string, value: Buffer, lease: number): void {
    const before = this.#record(key);
    const createRevision = before?.createRevision ?? Math.floor(position / operationsPerRevision);
    const version = (before?.version ?? 0) + 1;
    this.#detach(key, before);
    if (lease) this.batch.attached.push({ lease, key });
    this.batch.keys.set(key, { position, createRevision, version, lease });
    const previous = before?.position ?? 0;
    this.events.push(toEvent(this.#append({ position, type: 'put', key, createRevision, version, lease, previous, value }), value));
  }

  #delete(position: number, key: string): void {
    const before = this.#record(key);
    if (!before) return;
    this.#detach(key, before);
    this.batch.keys.set(key, undefined);
    const previous = before.position;
    const entry = this.#append({ position, type: 'delete', key, createRevision: 0, version: 0, lease: 0, previous, value: nothing });
    this.events.push(toEvent(entry, this.#entry(previous)?.value));
  }

  #append(operation: Omit<LogEntry, 'atMs' | 'offset'>): LogEntry {
    const entry: LogEntry = { ...operation, atMs: this.#atMs, offset: this.counters.writtenBytes };
    this.batch.entries.set(entry.position, entry);
    this.counters.writtenBytes += entrySize(entry.key, entry.value);
    this.counters.writtenMs = this.#atMs;
    return entry;
  }

  #detach(key: string, before: KeyRecord | undefined): void {
    if (!before?.lease) return;
    const at = this.batch.attached.findIndex((a) => a.lease === before.lease && a.key === key);
    if (at >= 0) this.batch.attached.splice(at, 1);
    this.batch.detached.push({ lease: before.lease, key });
  }
}

export function toStored(entry: LogEntry): StoredValue {
  const { key, value, createRevision, version, lease, position } = entry;
  return { key, value, createRevision, modRevision: Math.floor(position / operationsPerRevision), version, lease };
}

/** `value` is what was put, or for a delete the last value before it. */
export function toEvent(entry: LogEntry, value: Buffer | undefined): StoreEvent {
  const { type, key, createRevision, version, position, lease } = entry;
  return { type, key, value, createRevision, modRevision: Math.floor(position / operationsPerRevision), version, lease };
}
