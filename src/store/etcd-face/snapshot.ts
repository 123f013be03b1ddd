/**
 * The store as a snapshot of etcd's: what is alive, in the form that `etcdctl snapshot restore` makes a member of a real etcd from. The
 * past is not in it; its revisions count as compacted.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompactedError, type Store, type StoredValue } from '../store.ts';
import { type Bucket, writeBoltFile } from './bolt-file.ts';

const page = 1000;
const chunkBytes = 64 * 1024;

/** Buckets that etcd looks into, whether or not there is something. */
const emptyBuckets = ['alarm', 'auth', 'authRoles', 'authUsers', 'cluster', 'members', 'members_removed'];

/** The bytes of a snapshot in pieces, with how many are still to come; the last piece is the SHA-256 of the others. */
export async function* snapshot(store: Store): AsyncGenerator<{ blob: Buffer; remaining: number }> {
  const path = join(tmpdir(), `k8ts-snapshot-${randomUUID()}.db`);
  const file = await open(path, 'wx+', 0o600);
  try {
    const { sizeBytes } = await writeBoltFile(file, await bucketsOf(store));
    yield* chunks(file, sizeBytes);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

async function* chunks(file: FileHandle, sizeBytes: number): AsyncGenerator<{ blob: Buffer; remaining: number }> {
  const hash = createHash('sha256');
  for (let at = 0; at < sizeBytes; ) {
    const blob = Buffer.alloc(Math.min(chunkBytes, sizeBytes - at));
    await file.read(blob, 0, blob.length, at);
    hash.update(blob);
    at += blob.length;
    yield { blob, remaining: sizeBytes - at };
  }
  yield { blob: hash.digest(), remaining: 0 };
}

async function bucketsOf(store: Store): Promise<Bucket[]> {
  const { revision, values } = await readAll(store);
  values.sort((a, b) => a.modRevision - b.modRevision);
  const leases = (await store.leases()).sort((a, b) => a.id - b.id);
  const compacted = revisionKey(revision, 0);
  return [
    ...emptyBuckets.map((name) => ({ name, entries: [] })),
    { name: 'key', entries: keyEntries(values) },
    {
      name: 'lease',
      entries: leases.map(({ id, grantedTtlSeconds }): [Buffer, Buffer] => [uint64(id), message([1, id], [2, grantedTtlSeconds])]),
    },
    {
      name: 'meta',
      entries: [
        [Buffer.from('consistent_index'), uint64(1)],
        [Buffer.from('finishedCompactRev'), compacted],
        [Buffer.from('scheduledCompactRev'), compacted],
      ],
    },
  ];
}

/** All that is alive as of one revision. */
async function readAll(store: Store): Promise<{ revision: number; values: StoredValue[] }> {
  for (;;) {
    const first = await store.range('', { limit: page });
    const values = [...first.values];
    try {
      for (let found = first; found.more; ) {
        found = await store.range('', { limit: page, startKey: `${found.values.at(-1)?.key}\0`, revision: first.revision });
        values.push(...found.values);
      }
      return { revision: first.revision, values };
    } catch (error) {
      // It took so long that what was begun with has been forgotten.
      if (!(error instanceof CompactedError)) throw error;
    }
  }
}

/** In etcd a value lies under its revision, and under its place among what that revision wrote. */
function* keyEntries(values: readonly StoredValue[]): Generator<[Buffer, Buffer]> {
  let main = 0;
  let sub = 0;
  for (const value of values) {
    sub = value.modRevision === main ? sub + 1 : 0;
    main = value.modRevision;
    const { key, createRevision, modRevision, version, lease } = value;
    yield [
      revisionKey(main, sub),
      message([1, Buffer.from(key)], [2, createRevision], [3, modRevision], [4, version], [5, value.value], [6, lease]),
    ];
  }
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

const revisionKey = (main: number, sub: number) => Buffer.concat([uint64(main), Buffer.from('_'), uint64(sub)]);

/** A protobuf message of numbers and bytes. */
function message(...fields: [number: number, value: number | Buffer][]): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') {
      if (value !== 0) parts.push(varint(number * 8), varint(value));
    } else parts.push(varint(number * 8 + 2), varint(value.length), value);
  }
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
