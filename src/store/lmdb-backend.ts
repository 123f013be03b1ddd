/**
 * The two tables in LMDB. Writes go through lmdb-js' asynchronous batches: one batch is one LMDB transaction, written and fsynced by a
 * thread of its own, so the event loop never waits for the disk. `overlappingSync` is off: with it a commit resolves before its
 * fsync, without it after. So is `eventTurnBatching`: the group commit above does the merging, and with it a failed commit rejects
 * a promise that nobody holds.
 */
import { closeSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Backend, Batch, Counters, KeyRecord, LeaseRecord, LogEntry, Position, Snapshot } from './backend.ts';
import { NoSpaceError } from './store.ts';

/** Raised when the layout changes; a store of another version is refused. */
export const formatVersion = 1;

export class FormatError extends Error {
  constructor(dir: string, found: unknown) {
    super(`the store in ${dir} has format version ${String(found)}; this version of k8ts reads version ${formatVersion}`);
    this.name = 'FormatError';
  }
}

const dataFile = 'store.mdb';
/** Address space only; lmdb-js widens the map when it fills. */
const initialMapBytes = 4 * 2 ** 30;
const recordBytes = 28;
const entryHeaderBytes = 33;

export function lmdbBackend(dir: string): Backend {
  const path = join(dir, dataFile);
  allocateReaderTable(`${path}-lock`);
  const root: RootDatabase<unknown, string> = open({
    path,
    noSubdir: true,
    maxDbs: 8,
    mapSize: initialMapBytes,
    overlappingSync: false,
    eventTurnBatching: false,
  });
  const meta = root.openDB<unknown, string>({ name: 'meta', encoding: 'json' });
  const format = meta.get('format');
  if (format === undefined) {
    meta.transactionSync(() => {
      meta.putSync('format', formatVersion);
      meta.putSync('counters', { revision: 1, compactRevision: 0, sweptRevision: 0 } satisfies Counters);
    });
  } else if (format !== formatVersion) {
    // Nothing was written, so there is nothing to wait for.
    void root.close();
    throw new FormatError(dir, format);
  }
  const keys: Database<Buffer, string> = root.openDB({ name: 'keys', encoding: 'binary' });
  const log: Database<Buffer, Position> = root.openDB({ name: 'log', encoding: 'binary' });
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

  return {
    snapshot: () => {
      // lmdb-js keeps its read transaction open over several turns; a new one sees the last commit.
      root.resetReadTxn();
      return snapshot;
    },
    write: async (batch) => {
      try {
        await root.batch(() => apply(batch));
      } catch (error) {
        throw await writeError(error, path, sizeOf(batch));
      }
    },
    sizeBytes: async () => (await stat(path)).size,
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
    writeSync(file, Buffer.alloc(readerTableBytes));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** About how much a batch adds to the file at most: its values, and the pages on the way to them. */
function sizeOf(batch: Batch): number {
  let bytes = 1024 * 1024;
  for (const entry of batch.entries.values()) bytes += entry.value.length + 4096;
  return bytes;
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

function encodeRecord(record: KeyRecord): Buffer {
  const bytes = Buffer.allocUnsafe(recordBytes);
  bytes.writeDoubleLE(record.position, 0);
  bytes.writeDoubleLE(record.createRevision, 8);
  bytes.writeDoubleLE(record.lease, 16);
  bytes.writeUInt32LE(record.version, 24);
  return bytes;
}

function decodeRecord(bytes: Buffer): KeyRecord {
  return {
    position: bytes.readDoubleLE(0),
    createRevision: bytes.readDoubleLE(8),
    lease: bytes.readDoubleLE(16),
    version: bytes.readUInt32LE(24),
  };
}

function encodeEntry(entry: LogEntry): Buffer {
  const keyBytes = Buffer.byteLength(entry.key);
  const bytes = Buffer.allocUnsafe(entryHeaderBytes + keyBytes + entry.value.length);
  bytes.writeUInt8(entry.type === 'put' ? 0 : 1, 0);
  bytes.writeDoubleLE(entry.createRevision, 1);
  bytes.writeDoubleLE(entry.lease, 9);
  bytes.writeDoubleLE(entry.previous, 17);
  bytes.writeUInt32LE(entry.version, 25);
  bytes.writeUInt32LE(keyBytes, 29);
  bytes.write(entry.key, entryHeaderBytes, 'utf8');
  bytes.set(entry.value, entryHeaderBytes + keyBytes);
  return bytes;
}

function decodeEntry(position: Position, bytes: Buffer): LogEntry {
  const valueAt = entryHeaderBytes + bytes.readUInt32LE(29);
  return {
    position,
    type: bytes.readUInt8(0) === 0 ? 'put' : 'delete',
    createRevision: bytes.readDoubleLE(1),
    lease: bytes.readDoubleLE(9),
    previous: bytes.readDoubleLE(17),
    version: bytes.readUInt32LE(25),
    key: bytes.toString('utf8', entryHeaderBytes, valueAt),
    value: bytes.subarray(valueAt),
  };
}
