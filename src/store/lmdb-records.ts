/** How records and log entries lie in LMDB, format 2. Numbers are little-endian; those of up to 2^53 are doubles. */
import { crc32 } from 'node:zlib';
import type { KeyRecord, LogEntry, Position } from './backend.ts';

/** What is on disk is not what was written there. */
export class DamagedStoreError extends Error {
  constructor(what: string) {
    super(`the store is damaged: ${what}`);
    this.name = 'DamagedStoreError';
  }
}

const recordBytes = 28;

export function encodeRecord(record: KeyRecord): Buffer {
  const bytes = Buffer.allocUnsafe(recordBytes);
  bytes.writeDoubleLE(record.position, 0);
  bytes.writeDoubleLE(record.createRevision, 8);
  bytes.writeDoubleLE(record.lease, 16);
  bytes.writeUInt32LE(record.version, 24);
  return bytes;
}

export function decodeRecord(bytes: Buffer): KeyRecord {
  if (bytes.length !== recordBytes) throw new DamagedStoreError(`the record of a key has ${bytes.length} bytes`);
  return {
    position: bytes.readDoubleLE(0),
    createRevision: bytes.readDoubleLE(8),
    lease: bytes.readDoubleLE(16),
    version: bytes.readUInt32LE(24),
  };
}

const checksumAt = 49;
const headerBytes = 53;

/** Over everything but itself. */
const checksum = (bytes: Buffer) => crc32(bytes.subarray(headerBytes), crc32(bytes.subarray(0, checksumAt)));

export function encodeEntry(entry: LogEntry): Buffer {
  const keyBytes = Buffer.byteLength(entry.key);
  const bytes = Buffer.allocUnsafe(headerBytes + keyBytes + entry.value.length);
  bytes.writeUInt8(entry.type === 'put' ? 0 : 1, 0);
  bytes.writeDoubleLE(entry.createRevision, 1);
  bytes.writeDoubleLE(entry.lease, 9);
  bytes.writeDoubleLE(entry.previous, 17);
  bytes.writeUInt32LE(entry.version, 25);
  bytes.writeUInt32LE(keyBytes, 29);
  bytes.writeDoubleLE(entry.atMs, 33);
  bytes.writeDoubleLE(entry.offset, 41);
  bytes.write(entry.key, headerBytes, 'utf8');
  bytes.set(entry.value, headerBytes + keyBytes);
  bytes.writeUInt32LE(checksum(bytes), checksumAt);
  return bytes;
}

/** Throws DamagedStoreError. */
export function decodeEntry(position: Position, bytes: Buffer): LogEntry {
  if (bytes.length < headerBytes || bytes.readUInt32LE(checksumAt) !== checksum(bytes))
    throw new DamagedStoreError(`the checksum of the log entry at position ${position} is wrong`);
  const valueAt = headerBytes + bytes.readUInt32LE(29);
  return {
    position,
    type: bytes.readUInt8(0) === 0 ? 'put' : 'delete',
    createRevision: bytes.readDoubleLE(1),
    lease: bytes.readDoubleLE(9),
    previous: bytes.readDoubleLE(17),
    version: bytes.readUInt32LE(25),
    atMs: bytes.readDoubleLE(33),
    offset: bytes.readDoubleLE(41),
    key: bytes.toString('utf8', headerBytes, valueAt),
    value: bytes.subarray(valueAt),
  };
}
