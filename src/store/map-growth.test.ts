import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from './embedded-store.ts';

test('the map grows with the data, while others read and write', { timeout: 30_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-map-'));
  try {
    const store = await openEmbeddedStore({ dir, mapBytes: 1024 * 1024 });
    let count = 0;
    const writer = async (w: number) => {
      for (let i = 0; i < 50; i++) {
        await store.commit([], [{ put: `/grow/${w}/${i}`, value: Buffer.alloc(100_000, i) }]);
        count++;
        const read = await store.get(`/grow/${w}/${Math.floor(i / 2)}`);
        expect(read?.value.equals(Buffer.alloc(100_000, Math.floor(i / 2)))).toBe(true);
      }
    };
    await Promise.all([0, 1, 2, 3].map(writer));
    expect((await store.range('/grow/')).values.every((v) => v.value[0] === Number(v.key.slice(8)))).toBe(true);
    expect(await store.revision()).toBe(count + 1);
    await store.close();
    expect(statSync(join(dir, 'store.mdb')).size).toBeGreaterThan(20_000_000);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
