import type { Backend, Batch, Counters, KeyRecord, LeaseRecord, LogEntry, Position, Snapshot } from './backend.ts';
import { SortedList } from './sorted-list.ts';

/** Sorted keys, the positions of the log, and a few maps. Nothing survives the process. */
export function memoryBackend(): Backend {
  let counters: Counters = { revision: 1, compactRevision: 0, sweptRevision: 0, writtenBytes: 0, writtenMs: 0 };
  let sizeBytes = 0;
  const records = new Map<string, KeyRecord>();
  const sortedKeys = new SortedList<string>(String);
  const entries = new Map<Position, LogEntry>();
  /** Ascending; holes left by compaction are dropped when they are half of it. */
  let positions: Position[] = [];
  const leases = new Map<number, LeaseRecord>();
  const attachments = new Map<number, Set<string>>();

  const firstPosition = (position: Position) => {
    let low = 0;
    let high = positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((positions[middle] ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const snapshot: Snapshot = {
    counters: () => counters,
    key: (key) => records.get(key),
    *keysFrom(start) {
      for (const key of sortedKeys.below('', start)) {
        const record = records.get(key);
        if (record) yield [key, record];
      }
    },
    countKeys: (prefix, start) => sortedKeys.countBelow(prefix, start),
    entry: (position) => entries.get(position),
    *entriesFrom(position) {
      for (let i = firstPosition(position); i < positions.length; i++) {
        const entry = entries.get(positions[i] ?? -1);
        if (entry) yield entry;
      }
    },
    leases: () => [...leases.values()],
    lease: (id) => leases.get(id),
    leaseKeys: (id) => [...(attachments.get(id) ?? [])],
  };

  const setKey = (key: string, record: KeyRecord | undefined) => {
    const known = records.has(key);
    if (record) records.set(key, record);
    else records.delete(key);
    if (known === (record !== undefined)) return;
    if (record) sortedKeys.set(key);
    else sortedKeys.delete(key);
  };

  return {
    snapshot: () => snapshot,
    async write(batch: Batch) {
      for (const [key, record] of batch.keys) setKey(key, record);
      for (const [position, entry] of batch.entries) {
        entries.set(position, entry);
        positions.push(position);
        sizeBytes += entry.key.length + entry.value.length;
      }
      for (const position of batch.removedEntries) {
        const entry = entries.get(position);
        if (!entry) continue;
        entries.delete(position);
        sizeBytes -= entry.key.length + entry.value.length;
      }
      if (entries.size * 2 < positions.length) positions = positions.filter((p) => entries.has(p));
      for (const [id, lease] of batch.leases) {
        if (lease) leases.set(id, lease);
        else leases.delete(id);
      }
      for (const { lease, key } of batch.detached) attachments.get(lease)?.delete(key);
      for (const { lease, key } of batch.attached) attachments.set(lease, (attachments.get(lease) ?? new Set()).add(key));
      for (const [id, lease] of batch.leases) if (!lease) attachments.delete(id);
      counters = batch.counters;
    },
    sizeBytes: async () => sizeBytes,
    close: async () => {},
  };
}
