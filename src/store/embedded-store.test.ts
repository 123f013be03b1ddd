import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { storeContract } from './contract.ts';
import { openEmbeddedStore } from './embedded-store.ts';

const dirs: string[] = [];
const freshDir = () => {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-store-'));
  dirs.push(dir);
  return dir;
};
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

storeContract('embedded', (clock) => openEmbeddedStore({ dir: freshDir(), clock }));

test('keys, revisions, history and leases survive a restart', async () => {
  const dir = freshDir();
  const before = await openEmbeddedStore({ dir });
  const { id } = await before.grantLease(3600);
  await before.commit([], [{ put: '/a', value: Buffer.from('1'), lease: id }]);
  await before.commit([], [{ put: '/a', value: Buffer.from('2'), lease: id }]);
  await before.close();
  const after = await openEmbeddedStore({ dir });
  expect(await after.revision()).toBe(3);
  expect((await after.get('/a'))?.value.toString()).toBe('2');
  expect((await after.get('/a', { revision: 2 }))?.value.toString()).toBe('1');
  expect(await after.leases()).toMatchObject([{ id, keys: ['/a'] }]);
  await after.revokeLease(id);
  expect(await after.get('/a')).toBeUndefined();
  await after.close();
});

test('a directory that is in use is refused', async () => {
  const dir = freshDir();
  const store = await openEmbeddedStore({ dir });
  await expect(openEmbeddedStore({ dir })).rejects.toThrow(`the store in ${dir} is in use by another process`);
  await store.close();
  await (await openEmbeddedStore({ dir })).close();
});

test('a key that is too long is refused and takes nothing along', async () => {
  const store = await openEmbeddedStore({ dir: freshDir() });
  const results = await Promise.allSettled([
    store.commit([], [{ put: '/a', value: Buffer.from('1') }]),
    store.commit(
      [],
      [
        { put: '/b', value: Buffer.from('1') },
        { put: 'k'.repeat(1901), value: Buffer.from('1') },
      ],
    ),
    store.commit([], [{ put: '/c', value: Buffer.from('1') }]),
  ]);
  expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(results[1]).toMatchObject({ reason: { message: 'etcdserver: request is too large: a key may have 1900 bytes, not 1901' } });
  expect((await store.range('/')).values.map((v) => v.key)).toEqual(['/a', '/c']);
  expect(await store.revision()).toBe(3);
  await store.close();
});

test('room is given back to the disk while clients write, read and watch; nothing is lost by it', async () => {
  const dir = freshDir();
  const store = await openEmbeddedStore({ dir });
  const large = (i: number) => Buffer.alloc(1_000_000, i);
  for (let i = 0; i < 30; i++) await store.commit([], [{ put: `/large/${i % 3}`, value: large(i) }]);
  // What was read before is still what it was after.
  const held = (await store.range('/large/')).values;
  const one = await store.get('/large/0');
  await store.compact(await store.revision());
  const before = await store.sizeBytes();

  const from = await store.revision();
  const stop = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { events } of store.watch('/n/', { fromRevision: from + 1, signal: stop.signal }))
      seen.push(...events.map((event) => event.modRevision));
  })();
  let writing = true;
  const write = async (writer: number): Promise<number> => {
    for (let n = 1; ; n++) {
      await store.commit([], [{ put: `/n/${writer}`, value: Buffer.from(String(n)) }]);
      expect((await store.get(`/n/${writer}`))?.value.toString()).toBe(String(n));
      if (!writing) return n;
    }
  };
  const writers = Array.from({ length: 8 }, (_, writer) => write(writer));
  const reclaimed = await store.defragment?.();
  // One after another; each has the store as it is then.
  await Promise.all([store.defragment?.(), store.defragment?.()]);
  writing = false;
  const counts = await Promise.all(writers);
  expect(reclaimed).toMatchObject({ beforeBytes: before });
  expect(reclaimed?.afterBytes).toBeLessThan(6_000_000);
  expect(before).toBeGreaterThan(20_000_000);
  expect(statSync(join(dir, 'store.mdb')).size).toBe(await store.sizeBytes());
  expect(readdirSync(dir).sort()).toEqual(['lock', 'store.mdb', 'store.mdb-lock']);
  expect([...held, one].map((value) => value?.value.equals(large(27 + Number(value.key.at(-1)))))).toEqual([true, true, true, true]);
  const last = await store.revision();
  await expect.poll(() => seen.at(-1)).toBe(last);
  expect(seen).toEqual(Array.from({ length: last - from }, (_, i) => from + 1 + i));
  stop.abort();
  await watching;
  await store.close();

  const again = await openEmbeddedStore({ dir });
  expect((await again.range('/n/')).values.map((value) => Number(value.value.toString()))).toEqual(counts);
  expect((await again.range('/large/')).values.map(({ value }) => value[0])).toEqual([27, 28, 29]);
  expect(await again.revision()).toBe(last);
  await again.close();
});
