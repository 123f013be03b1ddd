/** Upstream's helm installs, upgrades, rolls back and removes releases, with its records in secrets. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigMap, Pod, Secret } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { run } from '../support/cluster.ts';

const binaries = join(import.meta.dirname, '../../.cache/bin');
let server: TestApiServer;
let chart: string;

beforeAll(async () => {
  server = await startApiServer({ controllers: true });
  await server.kubectl(['wait', '--for=create', 'sa/default', '--timeout=20s']);
  chart = join(server.dir, 'small');
  mkdirSync(join(chart, 'templates'), { recursive: true });
  const files = {
    'Chart.yaml': 'apiVersion: v2\nname: small\nversion: 0.1.0\nappVersion: "1.0"\n',
    'values.yaml': 'greeting: hello\n',
    'templates/config.yaml':
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-config\n  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}\ndata:\n  greeting: {{ .Values.greeting }}\n',
    'templates/service.yaml':
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  selector: {app: small}\n  ports: [{port: 80}]\n',
    'templates/tests/ask.yaml':
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-ask\n  annotations: {"helm.sh/hook": test}\nspec:\n  restartPolicy: Never\n  containers: [{name: ask, image: busybox}]\n',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(chart, name, '..'), { recursive: true });
    writeFileSync(join(chart, name), text);
  }
});
afterAll(() => server.close());

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-before
  annotations: {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": before-hook-creation}
data: {revision: "{{ .Release.Revision }}"}
`;

describe.each([
  ['4', 'helm'],
  ['3', 'helm-3'],
])('helm %s', (_, binary) => {
  const helm = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, code } = await run(join(binaries, binary), args, { env: server.env, timeoutMs: 30_000 });
    if (code !== 0) throw new Error(`helm ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  };
  const greeting = async () => (await server.admin.get(ConfigMap, 'one-config', { namespace: 'default' })).data?.greeting;

  test('a release is installed, upgraded, rolled back, tested and uninstalled', async () => {
    expect(await helm('install', 'one', chart)).toMatch(/^STATUS: deployed$/m);
    expect(await greeting()).toBe('hello');
    await expect(helm('install', 'one', chart)).rejects.toThrow(/cannot re-?use a name that is still in use/);

    expect(await helm('upgrade', 'one', chart, '--set', 'greeting=again')).toContain('has been upgraded. Happy Helming!');
    expect(await greeting()).toBe('again');
    expect(await helm('rollback', 'one', '1')).toContain('Rollback was a success');
    expect(await greeting()).toBe('hello');

    const history = JSON.parse(await helm('history', 'one', '-o', 'json')) as { revision: number; status: string }[];
    expect(history.map(({ revision, status }) => [revision, status])).toEqual([
      [1, 'superseded'],
      [2, 'superseded'],
      [3, 'deployed'],
    ]);
    expect(JSON.parse(await helm('list', '-A', '-o', 'json'))).toMatchObject([
      { name: 'one', revision: '3', status: 'deployed', chart: 'small-0.1.0' },
    ]);
    expect(JSON.parse(await helm('status', 'one', '-o', 'json'))).toMatchObject({ info: { status: 'deployed' } });
    const records = await server.admin.list(Secret, { namespace: 'default', labelSelector: 'owner=helm,name=one' });
    expect(records.items.map(({ type }) => type)).toEqual(Array(3).fill('helm.sh/release.v1'));

    // No kubelet runs here: the test's pod is ended by hand.
    const tested = helm('test', 'one', '--timeout', '20s');
    expect(await server.kubectl(['wait', '--for=create', 'pod/one-ask', '--timeout=20s'])).toMatchObject({ code: 0 });
    await server.admin.patch(Pod, 'one-ask', 'merge', { status: { phase: 'Succeeded' } }, { namespace: 'default', subresource: 'status' });
    expect(await tested).toMatch(/^Phase: +Succeeded$/m);

    expect(await helm('uninstall', 'one')).toBe('release "one" uninstalled\n');
    // What a hook made is not the release's: it would still be there for the other Helm.
    await server.admin.delete(Pod, 'one-ask', { namespace: 'default' });
    expect(JSON.parse(await helm('list', '-A', '-o', 'json'))).toEqual([]);
    await expect(greeting()).rejects.toThrow('configmaps "one-config" not found');
  });

  test('a chart that the API refuses leaves its reason', async () => {
    await expect(helm('install', 'two', chart, '--set', 'greeting=[1]')).rejects.toThrow(/cannot unmarshal|got array|expected/);
    await helm('uninstall', 'two');
  });

  test('an upgrade waits for what it changes, and runs what stands before it', async () => {
    writeFileSync(join(chart, 'templates/web.yaml'), web);
    expect(await helm('install', 'three', chart, '--set', 'replicas=0', '--wait', '--timeout', '20s')).toMatch(/^STATUS: deployed$/m);
    expect((await server.admin.get(ConfigMap, 'three-before', { namespace: 'default' })).data).toEqual({ revision: '1' });
    await expect(helm('upgrade', 'three', chart, '--set', 'replicas=1', '--wait', '--timeout', '1s')).rejects.toThrow(
      'context deadline exceeded',
    );
    expect((await server.admin.get(ConfigMap, 'three-before', { namespace: 'default' })).data).toEqual({ revision: '2' });
    expect(await helm('rollback', 'three', '1', '--wait', '--timeout', '20s')).toContain('Rollback was a success');
    expect(await helm('upgrade', 'three', chart, '--set', 'replicas=0', '--dry-run=server')).toMatch(/^STATUS: pending-upgrade$/m);
    expect(await helm('uninstall', 'three', '--wait')).toBe('release "three" uninstalled\n');
    rmSync(join(chart, 'templates/web.yaml'));
  });
});
