import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../time/index.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import type { Store } from './store.ts';
import { crashRounds } from './testing/crash-rounds.ts';
import { canMount, mountSmallDisk } from './testing/small-disk.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-crash-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const writerScript = fileURLToPath(new URL('./testing/crash-writer.ts', import.meta.url));

test('fifty times kill -9 under load lose no answered write and leave none half-written', { timeout: 120_000 }, async () => {
  expect(await crashRounds({ dir, rounds: 50, random: seededRandom(7), answers: 600 })).toBeGreaterThan(5000);
});

test('a directory that another process has open is refused, and free once that process has been killed', async () => {
  const child = spawn(process.execPath, [writerScript, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  await expect(openEmbeddedStore({ dir })).rejects.toThrow(`the store in ${dir} is in use by another process`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await openEmbeddedStore({ dir })).close();
});

test.runIf(canMount)('a full disk refuses what does not fit, loses nothing, and takes writes again when there is room', async () => {
  const disk = mountSmallDisk('size=6m');
  try {
    const ballast = join(disk.path, 'ballast');
    writeFileSync(ballast, Buffer.alloc(3_000_000));
    const storeDir = join(disk.path, 'store');
    const store = await openEmbeddedStore({ dir: storeDir });
    const big = (name: string, i: number) => store.commit([], [{ put: `/${name}/${i}`, value: Buffer.alloc(50_000, i) }]);
    const tried = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => big('early', i)));
    for (let i = 0; i < 100; i++) tried.push(...(await Promise.allSettled([big('big', 2 * i), big('big', 2 * i + 1)])));
    const written = tried.filter((result) => result.status === 'fulfilled').length;
    const refused = tried.find((result) => result.status === 'rejected');
    expect(refused?.reason).toMatchObject({
      name: 'NoSpaceError',
      message: `etcdserver: mvcc: database space exceeded: could not write to ${join(storeDir, 'store.mdb')}: No space left on device`,
    });
    const held = async (from: Store) =>
      (await from.range('/')).values.map((v) => [v.key, v.value.equals(Buffer.alloc(50_000, v.value[0]))]);
    expect(await store.revision()).toBe(written + 1);
    const before = await held(store);
    expect(before).toHaveLength(written);
    expect(before.every(([, whole]) => whole)).toBe(true);
    await store.close();

    // Opened while there is no room at all.
    writeFileSync(ballast, '');
    for (let bytes = 4_000_000; bytes > 0; bytes = Math.floor(bytes / 2)) {
      try {
        appendFileSync(ballast, Buffer.alloc(bytes));
      } catch {
        // What fits of it is there.
      }
    }
    const again = await openEmbeddedStore({ dir: storeDir });
    expect(await held(again)).toEqual(before);
    await expect(again.commit([], [{ put: '/more', value: Buffer.alloc(500_000) }])).rejects.toMatchObject({ name: 'NoSpaceError' });
    const elsewhere = join(disk.path, 'other');
    await expect(openEmbeddedStore({ dir: elsewhere })).rejects.toThrow(/^cannot (open|write to) .*(ENOSPC|No space left|disk is full)/);
    rmSync(ballast);
    expect(await again.commit([], [{ put: '/more', value: Buffer.alloc(500_000) }])).toEqual({ ok: true, revision: written + 2 });
    expect(await held(again)).toHaveLength(written + 1);
    await again.close();
  } finally {
    disk.unmount();
  }
});

test.runIf(canMount)('a directory that cannot be written to is refused with a clear error', async () => {
  const disk = mountSmallDisk('ro,size=1m');
  try {
    await expect(openEmbeddedStore({ dir: disk.path })).rejects.toThrow(`cannot write to the store's directory ${disk.path}: EROFS`);
  } finally {
    disk.unmount();
  }
});
