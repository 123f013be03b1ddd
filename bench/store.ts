/**
 * What a durable write costs: `node bench/store.ts [DIR]`. Small puts as clients make them, one key a commit, answered after fsync.
 * DIR should be on the disk that is meant; the default is the system's temporary directory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStore, openMemoryStore, type Store } from '../src/store/index.ts';

const valueBytes = 1024;
const seconds = 3;

async function clients(store: Store, count: number): Promise<{ perSecond: number; p50Ms: number; p99Ms: number }> {
  const times: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    Array.from({ length: count }, async (_, client) => {
      for (let i = 0; performance.now() < end; i++) {
        const before = performance.now();
        await store.commit([], [{ put: `/registry/bench/${client}/${i % 1000}`, value: Buffer.alloc(valueBytes, i) }]);
        times.push(performance.now() - before);
      }
    }),
  );
  const elapsed = (performance.now() - start) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return { perSecond: Math.round(times.length / elapsed), p50Ms: at(0.5), p99Ms: at(0.99) };
}

const dir = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'k8ts-bench-'));
const rows: Record<string, string | number>[] = [];
try {
  for (const [engine, store] of [
    ['embedded', await openEmbeddedStore({ dir })],
    ['memory', openMemoryStore()],
  ] as const) {
    for (const count of [1, 32, 256]) {
      const { perSecond, p50Ms, p99Ms } = await clients(store, count);
      rows.push({ engine, clients: count, 'puts/s': perSecond, 'p50 ms': p50Ms.toFixed(2), 'p99 ms': p99Ms.toFixed(2) });
    }
    await store.close();
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.version}, ${valueBytes}-byte values, ${dir}`,
);
console.table(rows);
