import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/store/index.ts';
import { canMount, mountSmallDisk } from '../../src/store/testing/small-disk.ts';
import { startApiServer } from '../support/api-server.ts';

const configMap = (name: string, bytes: number) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text: 'x'.repeat(bytes) } });

test.runIf(canMount)('on a full disk kubectl is told so, can read on, and can write when there is room again', async () => {
  const disk = mountSmallDisk('size=8m');
  const ballast = join(disk.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(4_000_000));
  const api = await startApiServer({ store: await openEmbeddedStore({ dir: join(disk.path, 'store') }) });
  try {
    let refused: { stdout: string; stderr: string; code: number } | undefined;
    const created: string[] = [];
    for (let i = 0; i < 40 && !refused; i++) {
      const result = await api.kubectl(['create', '-f', '-'], configMap(`big-${i}`, 400_000));
      if (result.code === 0) created.push(`configmap/big-${i}`);
      else refused = result;
    }
    expect(refused?.stderr).toMatch(
      /^Error from server \(InternalError\).*etcdserver: mvcc: database space exceeded.*No space left on device/,
    );
    const names = async () => (await api.kubectl(['get', 'configmaps', '-o', 'name'])).stdout.trim().split('\n').sort();
    expect((await names()).filter((name) => name.includes('big-'))).toEqual(created.sort());
    rmSync(ballast);
    expect(await api.kubectl(['create', '-f', '-'], configMap('after', 400_000))).toMatchObject({ code: 0 });
    expect(await names()).toContain('configmap/after');
  } finally {
    await api.close();
    disk.unmount();
  }
});
