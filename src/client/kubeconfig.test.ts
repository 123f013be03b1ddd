import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectionOf, KubeconfigError, loadKubeconfig, loadKubeconfigs, mergeKubeconfig, removeFromKubeconfig } from './kubeconfig.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  path = join(dir, 'sub', 'config');
});
afterEach(() => rm(dir, { recursive: true }));

const entry = {
  name: 'k8ts',
  cluster: { server: 'https://127.0.0.1:6443', 'certificate-authority-data': Buffer.from('CA').toString('base64') },
  user: { token: 'secret' },
};

test('makes the file and its folder, for the owner alone', async () => {
  await mergeKubeconfig(path, entry);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const config = await loadKubeconfig(path);
  expect(await connectionOf(config)).toMatchObject({ server: 'https://127.0.0.1:6443', ca: 'CA', token: 'secret', namespace: 'default' });
  expect(await readdir(join(dir, 'sub'))).toEqual(['config']);
});

test('keeps comments, unknown fields and other contexts, and goes again without a trace', async () => {
  path = join(dir, 'config');
  const before = `apiVersion: v1
kind: Config
# the one at work
current-context: work
preferences:
  colors: true
clusters:
  - name: work
    cluster:
      server: https://work:6443 # behind the VPN
      proxy-url: http://proxy
contexts:
  - name: work
    context:
      cluster: work
      user: me
users:
  - name: me
    user:
      exec:
        command: login
`;
  await writeFile(path, before);
  await mergeKubeconfig(path, entry, { setCurrent: false });
  await mergeKubeconfig(path, entry, { setCurrent: false });
  expect((await loadKubeconfig(path)).contexts.map((c) => c.name)).toEqual(['work', 'k8ts']);
  expect(await readFile(path, 'utf8')).toContain('server: https://work:6443 # behind the VPN');
  expect(await removeFromKubeconfig(path, 'k8ts')).toBe(true);
  expect(await readFile(path, 'utf8')).toBe(before);
  expect(await removeFromKubeconfig(path, 'k8ts')).toBe(false);
});

test.each([
  ['clusters: [', /Flow sequence/],
  ['- just\n- a list\n', /not a mapping/],
  ['kind: Pod\n', /its kind is "Pod"/],
  ['clusters: many\n', /clusters is not a list/],
])('leaves a file alone that it cannot understand: %j', async (text, message) => {
  path = join(dir, 'config');
  await writeFile(path, text);
  await expect(mergeKubeconfig(path, entry)).rejects.toThrow(message);
  await expect(mergeKubeconfig(path, entry)).rejects.toThrow(KubeconfigError);
  expect(await readFile(path, 'utf8')).toBe(text);
  expect(await readdir(dir)).toEqual(['config']);
});

test('writes through a symbolic link', async () => {
  path = join(dir, 'config');
  await writeFile(join(dir, 'real'), '');
  await symlink(join(dir, 'real'), path);
  await mergeKubeconfig(path, entry);
  expect(await readFile(join(dir, 'real'), 'utf8')).toContain('current-context: k8ts');
});

test('of several files the first to name something wins', async () => {
  const other = join(dir, 'other');
  await mergeKubeconfig(path, entry);
  await mergeKubeconfig(other, { ...entry, cluster: { server: 'https://other' } });
  await mergeKubeconfig(other, { ...entry, name: 'second' });
  const config = await loadKubeconfigs([join(dir, 'missing'), path, other]);
  expect(config['current-context']).toBe('k8ts');
  expect(config.clusters.map((c) => `${c.name} ${c.cluster.server}`)).toEqual([
    'k8ts https://127.0.0.1:6443',
    'second https://127.0.0.1:6443',
  ]);
});
