import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { layoutOf } from '../../src/cluster/layout.ts';
import { storeCompactionRoute } from '../../src/cluster/store-compaction.ts';
import { openEmbeddedStore } from '../../src/store/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { run } from '../support/cluster.ts';

let dataDir: string;
let api: TestApiServer;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'k8ts-store-commands-'));
  writeFileSync(join(dataDir, 'cluster.json'), JSON.stringify({ args: { apiserver: {} } }));
  api = await startApiServer({ store: await openEmbeddedStore({ dir: join(dataDir, 'store') }) });
  // As the API server of a cluster has it.
  api.server.addRoute(storeCompactionRoute(api.store));
  copyFileSync(api.kubeconfig, layoutOf(dataDir).kubeconfig);
});
afterAll(async () => {
  await api.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const main = join(import.meta.dirname, '../../dist/k8ts.js');
const k8ts = (...args: string[]) => run(process.execPath, [main, 'store', ...args, '--data-dir', dataDir]);
const kubectl = async (args: string[], input?: string) => {
  const result = await api.kubectl(args, input);
  expect(result.code, result.stderr).toBe(0);
};

test('log says who changed what, when, and how; not what is secret', async () => {
  await kubectl(['create', 'deployment', 'web', '--image=nginx:1.27', '--replicas=2']);
  await kubectl(['set', 'image', 'deployment/web', 'nginx=nginx:1.28']);
  await kubectl(['scale', 'deployment/web', '--replicas=5']);
  await kubectl(['label', 'deployment/web', 'app.kubernetes.io/part-of=shop']);
  await kubectl(['delete', 'deployment/web']);
  const log = await k8ts('log', 'deploy/web', '-n', 'default');
  expect(log.stderr).toBe('');
  const at = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z #\d+`;
  expect(log.stdout).toMatch(
    new RegExp(
      [
        `^${at} created Deployment default/web by kubectl-create \\(Update\\)`,
        `${at} changed Deployment default/web by kubectl-set \\(Update\\)`,
        '    metadata\\.generation: 1 → 2',
        '    spec\\.template\\.spec\\.containers\\[nginx\\]\\.image: "nginx:1\\.27" → "nginx:1\\.28"',
        `${at} changed Deployment default/web by kubectl \\(Update scale\\)`,
        '    metadata\\.generation: 2 → 3',
        '    spec\\.replicas: 2 → 5',
        `${at} changed Deployment default/web by kubectl-label \\(Update\\)`,
        '    \\+ metadata\\.labels\\["app\\.kubernetes\\.io/part-of"\\]: "shop"',
        `${at} deleted Deployment default/web\n$`,
      ].join('\n'),
    ),
  );
  await kubectl(['create', 'secret', 'generic', 'password', '--from-literal=word=hunter2']);
  await kubectl(['patch', 'secret', 'password', '-p', '{"stringData":{"word":"correct horse"}}']);
  const lines = (await k8ts('log', 'secrets', '-o', 'json', '--since', '1h')).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ type, kind, name, managers, changes }) => ({ type, kind, name, managers, changes }))).toEqual([
    { type: 'created', kind: 'Secret', name: 'password', managers: ['kubectl-create (Update)'] },
    {
      type: 'changed',
      kind: 'Secret',
      name: 'password',
      managers: ['kubectl-patch (Update)'],
      changes: [{ path: 'data.word', before: '(hidden)', after: '(hidden)' }],
    },
  ]);
  expect((await k8ts('log', '-n', 'nowhere')).stdout).toBe('');
});

test('check and backup work beside a running cluster, restore refuses to', async () => {
  const check = await k8ts('check', '-o', 'json');
  expect(check.code).toBe(0);
  expect(JSON.parse(check.stdout)).toMatchObject({ inUse: true, problems: [] });
  expect((await k8ts('check')).stdout).toMatch(/^The store is sound\.\n\d+ keys, /);
  const file = join(dataDir, 'backup');
  const backup = await k8ts('backup', file);
  expect(backup).toMatchObject({ code: 0, stderr: '' });
  expect(backup.stdout).toMatch(/^Backed up \d+ keys at revision \d+ to /);
  expect(await k8ts('backup', file)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: .*backup exists already\n$/) });
  const refused = await k8ts('restore', file);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^error: .*is in use by another process: the cluster is up; "k8ts down --keep-data" stops it and keeps its objects\n$/,
  );
});

test('a running cluster is compacted, and is what it was', async () => {
  const text = 'x'.repeat(900_000);
  const big = (name: string) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } });
  for (const name of ['big-1', 'big-2', 'big-3', 'big-4']) await kubectl(['create', '-f', '-'], big(name));
  await kubectl(['delete', 'configmap', 'big-1', 'big-2', 'big-3']);
  // The API server's own lease may be renewed at any time.
  const earliest = await api.store.revision();
  const { beforeBytes, afterBytes, revision } = JSON.parse((await k8ts('compact', '-o', 'json')).stdout);
  expect(revision).toBeGreaterThanOrEqual(earliest);
  expect(revision).toBeLessThanOrEqual(await api.store.revision());
  expect(beforeBytes - afterBytes).toBeGreaterThan(2_500_000);
  expect((await api.kubectl(['get', 'configmaps', '-o', 'name'])).stdout).toContain('big-4');
  await kubectl(['create', 'configmap', 'afterwards']);
  const check = JSON.parse((await k8ts('check', '-o', 'json')).stdout);
  expect(check).toMatchObject({ inUse: true, problems: [], compactRevision: revision });
  expect(check.revision).toBeGreaterThan(revision);
  // Nobody else may.
  const denied = await api.kubectl(['create', '--raw', '/k8ts/store/compact', '-f', '-', '--as', 'somebody'], '{}');
  expect(denied.stderr).toContain('(Forbidden)');
});

test('a cluster that is down is compacted, checked and restored', async () => {
  const file = join(dataDir, 'later');
  await kubectl(['create', 'configmap', 'kept']);
  await k8ts('backup', file);
  await kubectl(['delete', 'configmap', 'kept']);
  await api.store.close();
  expect((await k8ts('compact')).stdout).toMatch(/^Compacted to revision \d+: .* before, .* now\.\n$/);
  const restored = JSON.parse((await k8ts('restore', file, '-o', 'json')).stdout);
  expect(existsSync(restored.before)).toBe(true);
  const store = await openEmbeddedStore({ dir: join(dataDir, 'store') });
  expect(await store.get('/registry/configmaps/default/kept')).toBeDefined();
  expect(await store.revision()).toBe(restored.revision);
  await store.close();
  const path = join(dataDir, 'store', 'store.mdb');
  const bytes = readFileSync(path);
  bytes.fill(0x5a, bytes.indexOf('"kept"'), bytes.indexOf('"kept"') + 4);
  writeFileSync(path, bytes);
  const damaged = await k8ts('check');
  expect(damaged.code).toBe(1);
  expect(damaged.stdout).toMatch(
    /^The store is damaged:\n {2}the store is damaged: the checksum of the log entry at position \d+ is wrong\n/,
  );
});

test('what there is not is said', async () => {
  const nowhere = await run(process.execPath, [main, 'store', 'check', '--data-dir', join(dataDir, 'none')]);
  expect(nowhere).toMatchObject({ code: 1, stderr: `error: there is no store in ${join(dataDir, 'none')}; "k8ts up" makes one\n` });
  writeFileSync(join(dataDir, 'cluster.json'), JSON.stringify({ args: { apiserver: { 'etcd-servers': 'http://127.0.0.1:2379' } } }));
  expect(await k8ts('backup', 'x')).toMatchObject({
    code: 1,
    stderr: 'error: this cluster keeps its objects in etcd (http://127.0.0.1:2379): use etcdctl\n',
  });
});
