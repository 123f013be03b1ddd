import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from '../../src/store/index.ts';
import { canMount, mountSmallDisk } from '../../src/store/testing/small-disk.ts';
import { startApiServer } from '../support/api-server.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/wait.ts';

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
    expect(refused?.stderr).toMatch(/^Error from server: .*etcdserver: mvcc: database space exceeded.*No space left on device/);
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

test.runIf(canMount)('a cluster whose logs are on the full disk as well goes on', { timeout: 120_000 }, async () => {
  const disk = mountSmallDisk('size=60m');
  const ballast = join(disk.path, 'ballast');
  const usual = process.env.TMPDIR;
  process.env.TMPDIR = disk.path;
  const cluster = await startCluster('--runtime', 'hollow', '--nodes', '1').finally(() => {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
  });
  try {
    const create = (name: string) => cluster.tryKubectl(['create', '-f', '-'], configMap(name, 400_000));
    expect(() => writeFileSync(ballast, Buffer.alloc(64_000_000))).toThrow('ENOSPC');
    // Until the room is used up that the store has set aside.
    let early = 0;
    await eventually('a write does not fit', async () => (await create(`early-${early++}`)).code !== 0);
    for (let i = 0; i < 5; i++) expect((await create(`big-${i}`)).stderr).toContain('database space exceeded');
    expect(await cluster.kubectl('delete', 'configmap', 'kube-root-ca.crt')).toContain('deleted');
    expect(await cluster.kubectl('get', 'nodes', '-o', 'name')).toContain('node/');
    rmSync(ballast);
    await eventually('a write that fits again', async () => (await create('after')).code === 0);
    const status = JSON.parse((await cluster.k8ts('status', '-o', 'json')).stdout);
    expect(status.apiServer).toBe('ok');
    expect(status.processes.every((process: { running: boolean }) => process.running)).toBe(true);
  } finally {
    rmSync(ballast, { force: true });
    await cluster.down();
    disk.unmount();
  }
});
