import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../time/index.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { backupStore, checkStore, compactStore, restoreStore } from './maintenance.ts';

let base: string;
let dir: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'k8ts-maintenance-'));
  dir = join(base, 'store');
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const put = (key: string, value: string | Buffer) => ({ put: key, value: Buffer.from(value) });

async function filled(keys: number, rounds = 1): Promise<void> {
  const store = await openEmbeddedStore({ dir });
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < keys; i += 100)
      await store.commit(
        [],
        Array.from({ length: Math.min(100, keys - i) }, (_, j) => put(`/k/${i + j}`, Buffer.alloc(1000, round))),
      );
  await store.close();
}

test('a sound store is called sound, at rest and in use', async () => {
  await filled(500, 3);
  const expected = { keys: 500, entries: 1500, revision: 16, compactRevision: 0, leases: 0, problems: [] };
  expect(await checkStore(dir)).toMatchObject({ ...expected, inUse: false });
  const store = await openEmbeddedStore({ dir });
  const { id } = await store.grantLease(60);
  await store.commit([], [{ ...put('/leased', 'x'), lease: id }]);
  expect(await checkStore(dir)).toMatchObject({ ...expected, keys: 501, entries: 1501, revision: 17, leases: 1 });
  await store.compact(17);
  expect(await checkStore(dir)).toMatchObject({ keys: 501, entries: 501, compactRevision: 17, problems: [] });
  await store.close();
});

test('a backup of a store that is being written is the state at one moment', { timeout: 30_000 }, async () => {
  const script = fileURLToPath(new URL('./testing/crash-writer.ts', import.meta.url));
  const writer = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(writer.stdout, 'data');
  writer.stdout.resume();
  try {
    for (let i = 0; i < 3; i++) {
      const file = join(base, `backup-${i}`);
      const facts = await backupStore(dir, file);
      const target = join(base, `restored-${i}`);
      expect((await restoreStore(file, target)).keys).toBe(facts.keys);
      const restored = await openEmbeddedStore({ dir: target });
      // The writer raises a counter and adds an entry in one commit.
      let entries = 0;
      for (const { value } of (await restored.range('/counter/')).values) entries += Number(value.toString());
      expect((await restored.range('/entry/', { countOnly: true })).count).toBe(entries);
      await restored.close();
    }
    await expect(restoreStore(join(base, 'backup-0'), dir)).rejects.toThrow(`the store in ${dir} is in use by another process`);
    await expect(compactStore(dir)).rejects.toThrow(`the store in ${dir} is in use by another process`);
    await expect(backupStore(dir, join(base, 'backup-0'))).rejects.toThrow('exists already');
  } finally {
    writer.kill('SIGKILL');
    await once(writer, 'exit');
  }
});

test('a restored store has what the backup had, at revisions that nobody has seen', async () => {
  await filled(200);
  const file = join(base, 'backup');
  await backupStore(dir, file);
  const store = await openEmbeddedStore({ dir });
  for (let i = 0; i < 20; i++) await store.commit([], [put(`/k/${i}`, 'later')]);
  const last = await store.revision();
  await store.close();
  const { before } = await restoreStore(file, dir);
  expect(existsSync(before ?? '')).toBe(true);
  const restored = await openEmbeddedStore({ dir });
  expect(await restored.revision()).toBe(last + 1);
  expect((await restored.range('/k/')).values.every((v) => v.value.length === 1000)).toBe(true);
  await expect(restored.get('/k/1', { revision: last })).rejects.toMatchObject({ name: 'CompactedError' });
  await expect(restored.watch('/', { fromRevision: last })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    name: 'CompactedError',
  });
  expect((await restored.commit([], [put('/k/1', 'new')])).revision).toBe(last + 2);
  await restored.close();
  expect((await checkStore(dir)).problems).toEqual([]);
});

test('what is no backup is not restored, and what was there stays', async () => {
  await filled(50);
  const file = join(base, 'backup');
  await backupStore(dir, file);
  const present = readFileSync(join(dir, 'store.mdb'));
  writeFileSync(join(base, 'text'), 'hello');
  await expect(restoreStore(join(base, 'text'), dir)).rejects.toThrow('its data file does not begin as one of LMDB does');
  truncateSync(file, statSync(file).size / 2);
  await expect(restoreStore(file, dir)).rejects.toThrow(/could not restore .*the store is damaged: its data file ends at page/);
  await expect(restoreStore(join(base, 'none'), dir)).rejects.toThrow('there is no file');
  expect(readFileSync(join(dir, 'store.mdb')).equals(present)).toBe(true);
});

test('compaction gives room back to the disk', async () => {
  await filled(2000, 10);
  const { beforeBytes, afterBytes, revision } = await compactStore(dir);
  expect(beforeBytes).toBeGreaterThan(25_000_000);
  expect(afterBytes).toBeLessThan(6_000_000);
  expect(await checkStore(dir)).toMatchObject({ keys: 2000, entries: 2000, revision, problems: [] });
  expect(await compactStore(dir)).toMatchObject({ revision });
});

test('room that compaction frees is used again while the store is open', async () => {
  const store = await openEmbeddedStore({ dir, retention: { historyRevisions: 20 } });
  const sizes: number[] = [];
  for (let round = 0; round < 60; round++) {
    await store.commit(
      [],
      Array.from({ length: 100 }, (_, i) => put(`/k/${i}`, Buffer.alloc(5000, round))),
    );
    if (round % 20 === 19) sizes.push(await store.sizeBytes());
  }
  await store.close();
  // Sixty rounds of 500 kB; twenty are kept.
  expect(sizes[2]).toBeLessThan((sizes[1] ?? 0) * 1.3);
  expect(sizes[2]).toBeLessThan(30_000_000);
});

test('a file that was cut or overwritten anywhere is refused or read with a clear error, never with wrong answers', {
  timeout: 60_000,
}, async () => {
  await filled(300, 2);
  const path = join(dir, 'store.mdb');
  const sound = join(base, 'sound');
  copyFileSync(path, sound);
  const size = statSync(path).size;
  const random = seededRandom(11);
  const expected = new Map(Array.from({ length: 300 }, (_, i) => [`/k/${i}`, true]));
  let noticed = 0;
  for (let round = 0; round < 60; round++) {
    copyFileSync(sound, path);
    if (round % 3 === 0) truncateSync(path, Math.floor(random.next() * size));
    else {
      // At the end, or anywhere behind the two pages that LMDB begins with.
      const length = Math.floor(1 + random.next() * 20_000);
      const at = round % 3 === 1 ? size - length : 8192 + Math.floor(random.next() * (size - 8192 - length));
      const file = openSync(path, 'r+');
      writeSync(file, Buffer.from(Array.from({ length }, () => Math.floor(random.next() * 256))), 0, length, Math.max(8192, at));
      closeSync(file);
    }
    try {
      const store = await openEmbeddedStore({ dir });
      try {
        const { values } = await store.range('/k/');
        if (values.length > 0) expect(values.every((v) => expected.has(v.key) && v.value.equals(Buffer.alloc(1000, 1)))).toBe(true);
        expect([0, 300]).toContain(values.length);
      } finally {
        await store.close();
      }
    } catch (error) {
      noticed++;
      expect(String(error)).toMatch(/the store is damaged: |cannot open the store in/);
    }
  }
  expect(noticed).toBeGreaterThan(30);
});
