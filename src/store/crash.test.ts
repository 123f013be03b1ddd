import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../time/index.ts';
import { openEmbeddedStore } from './embedded-store.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-crash-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const writerScript = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** Runs the writer until it has been answered `answers` times, kills it, and gives each writer's last answered count. */
async function writeAndKill(answers: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [writerScript, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let seen = 0;
  for await (const chunk of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    output += chunk;
    seen += chunk.split('\n').length - 1;
    if (seen > answers) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
  const answered = new Map<string, number>();
  // The last line may be cut.
  for (const line of output.split('\n').slice(1, -1)) {
    const [writer = '', count] = line.split(' ');
    answered.set(writer, Number(count));
  }
  return answered;
}

test('kill -9 under load loses no answered write and leaves none half-written', { timeout: 60_000 }, async () => {
  const random = seededRandom(7);
  let revision = 1;
  for (let round = 0; round < 10; round++) {
    const answered = await writeAndKill(Math.floor(random.next() * 2000));
    const store = await openEmbeddedStore({ dir });
    for (const [writer, count] of answered) {
      const stored = Number((await store.get(`/counter/${writer}`))?.value.toString());
      expect(stored).toBeGreaterThanOrEqual(count);
      expect((await store.range(`/entry/${writer}/`, { countOnly: true })).count).toBe(stored);
    }
    expect(await store.revision()).toBeGreaterThanOrEqual(revision);
    revision = await store.revision();
    await store.close();
  }
  expect(revision).toBeGreaterThan(1000);
});

test('a directory that another process has open is refused, and free once that process has been killed', async () => {
  const child = spawn(process.execPath, [writerScript, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  await expect(openEmbeddedStore({ dir })).rejects.toThrow(`the store in ${dir} is in use by another process`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await openEmbeddedStore({ dir })).close();
});

test('a store of another format is refused and left alone', async () => {
  await (await openEmbeddedStore({ dir })).close();
  const { open } = await import('lmdb');
  const root = open<unknown, string>({ path: join(dir, 'store.mdb'), noSubdir: true, maxDbs: 8, overlappingSync: false });
  await root.openDB<unknown, string>({ name: 'meta', encoding: 'json' }).put('format', 99);
  await root.close();
  await expect(openEmbeddedStore({ dir })).rejects.toThrow(
    `the store in ${dir} has format version 99; this version of k8ts reads version 1`,
  );
});

/** Root on Linux only: a file system of its own, so that it can be full or read-only. */
const mounted = (options: string) => {
  const path = join(dir, 'fs');
  mkdirSync(path);
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'k8ts-test', path]).status === 0 ? path : undefined;
};
const canMount = process.platform === 'linux' && process.getuid?.() === 0;

test.runIf(canMount)('a full disk fails the writes that do not fit with a clear error, and loses nothing', async () => {
  const path = mounted('size=3m');
  if (!path) throw new Error('could not mount a tmpfs');
  try {
    const store = await openEmbeddedStore({ dir: path });
    let written = 0;
    let failure: unknown;
    while (!failure && written < 1000) {
      try {
        await store.commit([], [{ put: `/big/${written}`, value: Buffer.alloc(100_000, written) }]);
        written++;
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toMatchObject({ message: expect.stringMatching(/^could not write to .*store\.mdb: .*No space left on device/) });
    expect((await store.range('/big/', { countOnly: true })).count).toBe(written);
    await store.close();
    const again = await openEmbeddedStore({ dir: path });
    expect((await again.range('/big/')).values.map((v) => v.value.every((b) => b === Number(v.key.slice(5)) % 256))).toEqual(
      Array.from({ length: written }, () => true),
    );
    await again.close();
  } finally {
    spawnSync('umount', [path]);
  }
});

test.runIf(canMount)('a directory that cannot be written to is refused with a clear error', async () => {
  const path = mounted('ro,size=1m');
  if (!path) throw new Error('could not mount a tmpfs');
  try {
    await expect(openEmbeddedStore({ dir: path })).rejects.toThrow(`cannot write to the store's directory ${path}: EROFS`);
  } finally {
    spawnSync('umount', [path]);
  }
});

test('two hundred thousand keys open in under two seconds', { timeout: 60_000 }, async () => {
  const before = await openEmbeddedStore({ dir });
  for (let group = 0; group < 100; group++) {
    await before.commit(
      [],
      Array.from({ length: 2000 }, (_, i) => ({ put: `/registry/pods/ns-${group}/pod-${i}`, value: Buffer.alloc(200) })),
    );
  }
  await before.close();
  expect(statSync(join(dir, 'store.mdb')).size).toBeGreaterThan(40_000_000);
  const start = performance.now();
  const after = await openEmbeddedStore({ dir });
  const first = await after.range('/registry/pods/', { limit: 500 });
  const elapsedMs = performance.now() - start;
  expect(first.count).toBe(200_000);
  expect(elapsedMs).toBeLessThan(2000);
  await after.close();
});
