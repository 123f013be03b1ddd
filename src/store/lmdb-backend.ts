/**
 * The two tables in LMDB. Writes go through lmdb-js' asynchronous batches: one batch is one LMDB transaction, written and fsynced by a
 * thread of its own, so the event loop never waits for the disk. `overlappingSync` is off: with it a commit resolves before its
 * fsync, without it after. So is `eventTurnBatching`: the group commit above does the merging, and with it a failed commit rejects
 * a promise that nobody holds.
 */
import { closeSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Backend, Batch, Counters, LeaseRecord, Snapshot } from './backend.ts';
import { checkRoom, type RoomNeeded, setRoomAside } from './disk-room.ts';
import { checkFormat, type Log, type Meta, migrate } from './lmdb-format.ts';
import { checkPages } from './lmdb-pages.ts';
import { decodeEntry, decodeRecord, encodeEntry, encodeRecord } from './lmdb-records.ts';
import { NoSpaceError } from './store.ts';

const dataFile = 'store.mdb';
/** 4 GiB of address space. */
const initialMapBytes = 4 * 2 ** 30;
/** More than a store needs that holds nothing. */
const newFileBytes = 256 * 1024;

export interface LmdbOptions {
  /** Address space to begin with; lmdb-js widens it when it fills. */
  mapBytes?: number;
  readOnly?: boolean;
  /** Not to look at all pages first. */
  trusted?: boolean;
  /** Where the file will be when it is written to, if it is to be moved. */
  finalPath?: string;
}

export interface LmdbBackend extends Backend {
  /** Writes a copy of the present state, without the room that has become free. Writers go on meanwhile. */
  copy(path: string): Promise<void>;
}

export const dataFileOf = (dir: string): string => join(dir, dataFile);

/** Throws DamagedStoreError and FormatError. */
export function lmdbBackend(
  path: string,
  { mapBytes = initialMapBytes, readOnly = false, trusted = false, finalPath = path }: LmdbOptions = {},
): LmdbBackend {
  if (!trusted) checkPages(path);
  if (!readOnly) allocateReaderTable(`${path}-lock`);
  if (!existsSync(path)) checkRoom(path, newFileBytes);
  const root: RootDatabase<unknown, string> = open({
    path,
    noSubdir: true,
    maxDbs: 8,
    mapSize: mapBytes,
    overlappingSync: false,
    eventTurnBatching: false,
    readOnly,
  });
  try {
    const meta: Meta = root.openDB({ name: 'meta', encoding: 'json' });
    if (readOnly) checkFormat(meta);
    return backendOf(root, finalPath, meta, readOnly);
  } catch (error) {
    // Nothing was written, so there is nothing to wait for.
    void root.close();
    throw error;
  }
}

function backendOf(root: RootDatabase<unknown, string>, path: string, meta: Meta, readOnly: boolean): LmdbBackend {
  const log: Log = root.openDB({ name: 'log', encoding: 'binary' });
  if (!readOnly) migrate(root, meta, log);
  const keys: Database<Buffer, string> = root.openDB({ name: 'keys', encoding: 'binary' });
  const leases: Database<LeaseRecord, number> = root.openDB({ name: 'leases', encoding: 'json' });
  const leaseKeys: Database<Buffer, [lease: number, key: string]> = root.openDB({ name: 'lease-keys', encoding: 'binary' });

  const snapshot: Snapshot = {
    counters: () => meta.get('counters') as Counters,
    key: (key) => {
      const bytes = keys.get(key);
      return bytes && decodeRecord(bytes);
    },
    *keysFrom(start) {
      // A trailing NUL (the key after `start`) is not ordered by lmdb-js' key encoding as by bytes.
      const from = start.endsWith('\0') ? start.slice(0, -1) : start;
      for (const { key, value } of keys.getRange(from === '' ? {} : { start: from })) {
        if (from !== start && key === from) continue;
        yield [key, decodeRecord(value)];
      }
    },
    countKeys(prefix, start) {
      const after = start.endsWith('\0');
      const from = after ? start.slice(0, -1) : start;
      const end = endOfPrefix(prefix);
      const count = keys.getKeysCount({ ...(from === '' ? {} : { start: from }), ...(end === undefined ? {} : { end }) });
      return after && from.startsWith(prefix) && keys.doesExist(from) ? count - 1 : count;
    },
    entry: (position) => {
      const bytes = log.get(position);
      return bytes && decodeEntry(position, bytes);
    },
    *entriesFrom(position) {
      for (const { key, value } of log.getRange({ start: position })) yield decodeEntry(key, value);
    },
    leases: () => [...leases.getRange()].map(({ value }) => value),
    lease: (id) => leases.get(id),
    leaseKeys: (id) => [...leaseKeys.getKeys({ start: [id, ''], end: [id + 1, ''] })].map(([, key]) => key),
  };

  const apply = (batch: Batch) => {
    for (const [key, record] of batch.keys) floating(record ? keys.put(key, encodeRecord(record)) : keys.remove(key));
    for (const [position, entry] of batch.entries) floating(log.put(position, encodeEntry(entry)));
    for (const position of batch.removedEntries) floating(log.remove(position));
    for (const [id, lease] of batch.leases) floating(lease ? leases.put(id, lease) : leases.remove(id));
    for (const { lease, key } of batch.detached) floating(leaseKeys.remove([lease, key]));
    for (const { lease, key } of batch.attached) floating(leaseKeys.put([lease, key], nothing));
    floating(meta.put('counters', batch.counters));
  };

  const usedBytes = () => {
    const { pageSize, lastPageNumber } = root.getStats() as { pageSize: number; lastPageNumber: number };
    return (lastPageNumber + 1) * pageSize;
  };

  return {
    snapshot: () => {
      // lmdb-js keeps its read transaction open over several turns; a new one sees the last commit.
      root.resetReadTxn();
      return snapshot;
    },
    write: async (batch) => {
      const needed = neededBy(batch);
      try {
        await setRoomAside(path, usedBytes, needed);
        await root.batch(() => apply(batch));
      } catch (error) {
        if (error instanceof NoSpaceError) throw error;
        throw await writeError(error, path, needed.addedBytes + needed.copiedBytes);
      }
    },
    sizeBytes: async () => (await stat(path)).size,
    copy: async (target) => {
      try {
        await root.backup(target, true);
      } catch (error) {
        throw await writeError(error, target, (await stat(path)).size);
      }
    },
    close: () => root.close(),
  };
}

const nothing = Buffer.alloc(0);

/** The writes of a batch succeed or fail with it; their own promises say the same. */
function floating(promise: Promise<boolean>): void {
  promise.catch(() => {});
}

/** More than LMDB's table of readers takes. */
const readerTableBytes = 16 * 1024;

/** LMDB makes its table of readers as a hole and writes to it in memory: on a full disk that would end the process with SIGBUS. */
function allocateReaderTable(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= readerTableBytes) return;
  const file = openSync(path, 'w', 0o600);
  try {
    // Room is set aside as it is written; the table holds nothing that a crash could lose.
    writeSync(file, Buffer.alloc(readerTableBytes));
  } finally {
    closeSync(file);
  }
}

const pageBytes = 4096;

/**
 * What a batch adds to the file at most: its values in pages of their own, records in pages that are half full, and a copy of every page
 * on the way to what it changes, of which there are no more than pages in use.
 */
function neededBy(batch: Batch): RoomNeeded {
  let values = 0;
  let puts = 0;
  for (const { type, key, value } of batch.entries.values()) {
    values += 4 * (key.length + 100) + (value.length < pageBytes / 4 ? 2 * value.length : value.length + pageBytes);
    if (type === 'put') puts++;
  }
  const changes = batch.entries.size + batch.removedEntries.length + batch.leases.size + batch.attached.length + batch.detached.length;
  return { addedBytes: 64 * pageBytes + values, copiedBytes: 6 * pageBytes * changes, frees: puts === 0 };
}

/** errno of ENOSPC and EDQUOT, and of EIO, which LMDB answers where the disk took only a part. */
const noSpace = 28;
const overQuota = 122;
const partlyWritten = 5;

/** lmdb-js puts the reason behind a promise of its own. */
async function writeError(error: unknown, path: string, neededBytes: number): Promise<Error> {
  let cause = error;
  if (error instanceof Error && 'commitError' in error) {
    cause = await (error.commitError as Promise<unknown>).then(
      () => error,
      (reason) => reason,
    );
  }
  const what = `could not write to ${path}: ${cause instanceof Error ? cause.message : String(cause)}`;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === noSpace || code === overQuota) return new NoSpaceError(what, cause);
  if (code === partlyWritten) {
    const { bavail, bsize } = await statfs(dirname(path));
    if (bavail * bsize < neededBytes) return new NoSpaceError(`could not write to ${path}: No space left on device`, cause);
  }
  return new Error(what, { cause });
}

/** The first string after all that begin with `prefix`; undefined where there is none. Prefixes are ASCII. */
function endOfPrefix(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
