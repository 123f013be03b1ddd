/** The version of the layout in LMDB, and how an older one becomes the present one. */
import type { Database, RootDatabase } from 'lmdb';
import type { Counters, Position } from './backend.ts';
import { entrySize } from './backend.ts';
import { encodeEntry } from './lmdb-records.ts';

/** Raised when the layout changes. 2: entries of the log have a time, an offset and a checksum. */
export const formatVersion = 2;

export class FormatError extends Error {
  constructor(found: unknown) {
    super(
      `it has format version ${String(found)}, and this version of k8ts knows formats up to ${formatVersion}: ` +
        'use the version of k8ts that wrote it or a later one, or restore a backup of an earlier one with k8ts store restore',
    );
    this.name = 'FormatError';
  }
}

export type Meta = Database<unknown, string>;
export type Log = Database<Buffer, Position>;

/**
 * Brings what is there to the present format in one transaction: it is all there afterwards, or, when the process dies, as before.
 * Answers the version that was found; undefined for a new store. Throws FormatError.
 */
export function migrate(root: RootDatabase<unknown, string>, meta: Meta, log: Log): number | undefined {
  const found = meta.get('format');
  if (found === formatVersion) return found;
  if (found !== undefined && found !== 1) throw new FormatError(found);
  root.transactionSync(() => {
    if (found === undefined) {
      meta.putSync('counters', { revision: 1, compactRevision: 0, sweptRevision: 0, writtenBytes: 0, writtenMs: 0 } satisfies Counters);
    } else {
      const writtenBytes = addTimesAndOffsets(log);
      // The record of format 1 has the first three.
      meta.putSync('counters', { ...(meta.get('counters') as Counters), writtenBytes, writtenMs: 0 } satisfies Counters);
    }
    meta.putSync('format', formatVersion);
  });
  return found;
}

/** For readers, which change nothing. Throws FormatError. */
export function checkFormat(meta: Meta): void {
  const found = meta.get('format');
  if (found === undefined) throw new Error('it holds no store');
  if (typeof found === 'number' && found < formatVersion)
    throw new Error(`it has format version ${found}; "k8ts up" brings it to version ${formatVersion}`);
  if (found !== formatVersion) throw new FormatError(found);
}

const entriesAtATime = 1000;
const oldHeaderBytes = 33;

/** From format 1 to 2. When its entries were written is not known. Answers how long the log is. */
function addTimesAndOffsets(log: Log): number {
  let offset = 0;
  for (let start = 0; ; ) {
    // A cursor does not survive the writes.
    const page = [...log.getRange({ start, limit: entriesAtATime })];
    for (const { key: position, value: bytes } of page) {
      const valueAt = oldHeaderBytes + bytes.readUInt32LE(29);
      const key = bytes.toString('utf8', oldHeaderBytes, valueAt);
      const value = bytes.subarray(valueAt);
      log.putSync(
        position,
        encodeEntry({
          position,
          type: bytes.readUInt8(0) === 0 ? 'put' : 'delete',
          createRevision: bytes.readDoubleLE(1),
          lease: bytes.readDoubleLE(9),
          previous: bytes.readDoubleLE(17),
          version: bytes.readUInt32LE(25),
          atMs: 0,
          offset,
          key,
          value,
        }),
      );
      offset += entrySize(key, value);
      start = position + 1;
    }
    if (page.length < entriesAtATime) return offset;
  }
}
