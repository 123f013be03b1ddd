import { mkdtempSync, rmSync } from 'node:fs';
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
