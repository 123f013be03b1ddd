import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { positionOf } from './backend.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { encodeRecord } from './lmdb-records.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-format-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const openRaw = () => open<unknown, string>({ path: join(dir, 'store.mdb'), noSubdir: true, maxDbs: 8, overlappingSync: false });

/** An entry as format 1 had it. */
function oldEntry(type: 0 | 1, createRevision: number, version: number, previous: number, key: string, value: string): Buffer {
  const header = Buffer.alloc(33);
  header.writeUInt8(type, 0);
  header.writeDoubleLE(createRevision, 1);
  header.writeDoubleLE(0, 9);
  header.writeDoubleLE(previous, 17);
  header.writeUInt32LE(version, 25);
  header.writeUInt32LE(Buffer.byteLength(key), 29);
  return Buffer.concat([header, Buffer.from(key), Buffer.from(value)]);
}

/** `/n/0` to `/n/2499` written once; `/a` three times; `/gone` written and deleted. */
async function writeFormat1(): Promise<void> {
  const root = openRaw();
  const meta = root.openDB<unknown, string>({ name: 'meta', encoding: 'json' });
  const keys = root.openDB<Buffer, string>({ name: 'keys', encoding: 'binary' });
  const log = root.openDB<Buffer, number>({ name: 'log', encoding: 'binary' });
  let revision = 1;
  const previous = new Map<string, { position: number; createRevision: number; version: number }>();
  root.transactionSync(() => {
    const write = (key: string, value: string | undefined) => {
      const position = positionOf(++revision, 0);
      const before = previous.get(key);
      if (value === undefined) {
        log.putSync(position, oldEntry(1, 0, 0, before?.position ?? 0, key, ''));
        keys.removeSync(key);
        return;
      }
      const record = { position, createRevision: before?.createRevision ?? revision, version: (before?.version ?? 0) + 1 };
      log.putSync(position, oldEntry(0, record.createRevision, record.version, before?.position ?? 0, key, value));
      keys.putSync(key, encodeRecord({ ...record, lease: 0 }));
      previous.set(key, record);
    };
    for (let i = 0; i < 2500; i++) write(`/n/${i}`, `value ${i}`);
    for (const value of ['first', 'second', 'third']) write('/a', value);
    write('/gone', 'soon');
    write('/gone', undefined);
    meta.putSync('format', 1);
    meta.putSync('counters', { revision, compactRevision: 0, sweptRevision: 0 });
  });
  await root.close();
}

test('a store of format 1 is brought to the present format with all it holds', async () => {
  await writeFormat1();
  const clock = new VirtualClock();
  const start = clock.now();
  for (const round of [1, 2]) {
    const store = await openEmbeddedStore({ dir, clock });
    const last = 2506 + round - 1;
    expect(await store.revision()).toBe(last);
    expect((await store.range('/n/')).values.every(({ key, value }) => value.toString() === `value ${key.slice(3)}`)).toBe(true);
    expect((await store.range('/n/', { countOnly: true })).count).toBe(2500);
    expect(await store.get('/a')).toMatchObject({ version: 3, createRevision: 2502, modRevision: 2504 });
    expect((await store.get('/a', { revision: 2503 }))?.value.toString()).toBe('second');
    expect((await store.get('/gone', { revision: 2505 }))?.value.toString()).toBe('soon');
    // When they were written is not known, so no time is answered by them.
    expect(await store.times?.revisionAt(start - 1)).toBeUndefined();
    await store.commit([], [{ put: '/new', value: Buffer.from(`${round}`) }]);
    expect(await store.times?.revisionAt(clock.now())).toBe(last + 1);
    expect(await store.times?.historyBegin()).toBeGreaterThan(0);
    await store.close();
    await clock.advance(1000);
  }
});

test('a store of a newer format is refused and left alone', async () => {
  await (await openEmbeddedStore({ dir })).close();
  const root = openRaw();
  await root.openDB<unknown, string>({ name: 'meta', encoding: 'json' }).put('format', 99);
  await root.close();
  await expect(openEmbeddedStore({ dir })).rejects.toThrow(
    `cannot open the store in ${dir}: it has format version 99, and this version of k8ts knows formats up to 2: use the version of k8ts that wrote it or a later one`,
  );
});
