import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigMap, Pod, Secret } from '../../api/index.ts';
import { startTestKubelet } from '../testing.ts';
import { writeAtomically } from './atomic-writer.ts';
import type { Mounter } from './mounter.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'k8ts-kubelet-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const file = (text: string, mode = 0o644) => ({ data: new TextEncoder().encode(text), mode });

describe('the atomic writer', () => {
  it('swaps all files at once behind ..data, and leaves nothing of the old ones', async () => {
    const volume = join(root, 'volume');
    const now = new Date(0);
    expect(
      await writeAtomically(
        volume,
        new Map([
          ['a', file('1')],
          ['dir/b', file('2', 0o400)],
        ]),
        now,
      ),
    ).toBe(true);
    const first = await readlink(join(volume, '..data'));
    expect(await readFile(join(volume, 'dir/b'), 'utf8')).toBe('2');
    expect((await stat(join(volume, 'dir/b'))).mode & 0o777).toBe(0o400);
    expect(
      await writeAtomically(
        volume,
        new Map([
          ['a', file('1')],
          ['dir/b', file('2', 0o400)],
        ]),
        now,
      ),
    ).toBe(false);
    expect(await writeAtomically(volume, new Map([['a', file('3')]]), now)).toBe(true);
    expect(await readFile(join(volume, 'a'), 'utf8')).toBe('3');
    const second = await readlink(join(volume, '..data'));
    expect(second).not.toBe(first);
    expect((await readdir(volume)).sort()).toEqual([second, '..data', 'a'].sort());
  });
});

describe("a pod's volumes", () => {
  const mounted = new Set<string>();
  const mounter: Mounter = {
    tmpfs: async (path) => void mounted.add(path),
    unmount: async (path) => void mounted.delete(path),
    below: async (path) => [...mounted].filter((p) => p.startsWith(path)),
  };

  it('are made before its containers start, follow what they come from, and are gone with it', async () => {
    const t = await startTestKubelet({
      kubelet: { hollow: false, rootDir: join(root, 'kubelet'), mounter, config: { podLogsDir: join(root, 'logs'), resolvConf: '' } },
    });
    try {
      const draft = { apiVersion: 'v1', metadata: { namespace: 'default' } };
      await t.client.create(Secret, {
        ...draft,
        kind: 'Secret',
        metadata: { name: 's', namespace: 'default' },
        data: { token: btoa('secret') },
      });
      await t.create(
        'web',
        {
          securityContext: { fsGroup: 2000 },
          volumes: [
            { name: 'scratch', emptyDir: {} },
            { name: 'config', configMap: { name: 'c', items: [{ key: 'k', path: 'sub/k' }] } },
            {
              name: 'all',
              projected: {
                sources: [
                  { secret: { name: 's' } },
                  { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
                ],
              },
            },
          ],
          containers: [
            {
              name: 'main',
              image: 'nginx:1',
              volumeMounts: [
                { name: 'scratch', mountPath: '/tmp', subPath: 'inner' },
                { name: 'config', mountPath: '/etc/config', readOnly: true },
                { name: 'all', mountPath: '/all' },
              ],
            },
          ],
        },
        { labels: { app: 'web' } },
      );
      const until = async (what: () => Promise<boolean>) => {
        for (let i = 0; i < 500 && !(await what()); i++) await t.settle();
        expect(await what()).toBe(true);
      };
      await until(async () => (await t.events('web')).some((e) => e.includes('FailedMount')));
      expect(await t.events('web')).toContain('Warning FailedMount MountVolume.SetUp failed for volume "config" : configmap "c" not found');
      // Until then the pod has no sandbox and asks for no image.
      const early = await t.pod('web');
      expect(early.status?.conditions?.find((c) => c.type === 'PodReadyToStartContainers')?.status).toBe('False');
      expect(early.status?.podIP).toBeUndefined();
      expect((await t.runtime.listPodSandbox({})).items ?? []).toEqual([]);
      expect((await t.events('web')).filter((e) => /Pull/.test(e))).toEqual([]);

      await t.client.create(ConfigMap, { ...draft, kind: 'ConfigMap', metadata: { name: 'c', namespace: 'default' }, data: { k: 'one' } });
      await until(async () => (await t.pod('web')).status?.phase === 'Running');
      const pod = await t.pod('web');
      const volumes = join(root, 'kubelet/pods', pod.metadata.uid, 'volumes');
      const config = join(volumes, 'kubernetes.io~configmap/config/sub/k');
      expect(await readFile(config, 'utf8')).toBe('one');
      expect((await stat(config)).gid).toBe(2000);
      const all = join(volumes, 'kubernetes.io~projected/all');
      expect(await readFile(join(all, 'token'), 'utf8')).toBe('secret');
      expect(await readFile(join(all, 'labels'), 'utf8')).toBe('app="web"');
      expect(mounted).toContain(all);
      const [container] = (await t.runtime.listContainers({})).containers ?? [];
      const { status } = await t.runtime.containerStatus({ containerId: container?.id ?? '' });
      const mounts = Object.fromEntries(status?.mounts?.map((m) => [m.containerPath, m]) ?? []);
      expect(mounts['/tmp']?.hostPath).toBe(join(volumes, 'kubernetes.io~empty-dir/scratch/inner'));
      expect(mounts['/etc/config']).toMatchObject({ readonly: true });
      expect(await readFile(mounts['/etc/hosts']?.hostPath ?? '', 'utf8')).toContain('10.1.0.2\tweb');
      expect(mounts['/dev/termination-log']?.hostPath).toContain('/containers/main/');

      const configMap = await t.client.get(ConfigMap, 'c', { namespace: 'default' });
      await t.client.update(ConfigMap, { ...configMap, data: { k: 'two' } });
      await until(async () => (await readFile(config, 'utf8')) === 'two');

      await t.delete('web');
      await until(async () => (await readdir(join(root, 'kubelet/pods'))).length === 0);
      expect(mounted.size).toBe(0);
      await until(async () => (await t.client.list(Pod)).items.length === 0);
    } finally {
      await t.stop();
    }
  });
});
