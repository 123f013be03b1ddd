import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { ConfigMap, Secret } from '../../src/api/index.ts';
import { layoutOf } from '../../src/cluster/layout.ts';
import { type KmsPlugin, startKmsPlugin } from '../../src/server/encryption/testing/kms-plugin.ts';
import { openEncryption, type StorageMediaType, storageMediaTypes } from '../../src/server/index.ts';
import { openEmbeddedStore, openEtcdStore, openMemoryStore, type Store } from '../../src/store/index.ts';
import { startEtcdCluster } from '../../src/store/testing/etcd.ts';
import { systemClock as clock, systemRandom as random } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { run } from '../support/cluster.ts';
import { eventually } from '../support/wait.ts';

const waitFor = <T>(check: () => T | Promise<T>) => eventually('what the test waits for', check);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const main = join(import.meta.dirname, '../../dist/k8ts.js');

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-encryption-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const key = (name: string) => ({ name, secret: Buffer.alloc(32, name).toString('base64') });
const gcm = (...names: string[]) => ({ aesgcm: { keys: names.map(key) } });
const cbc = (...names: string[]) => ({ aescbc: { keys: names.map(key) } });

/** As one should: beside, and then in its place. */
function configure(file: string, entries: { resources: string[]; providers: object[] }[]): void {
  const text = JSON.stringify({ kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1', resources: entries });
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}
const secretsBy = (...providers: object[]) => [{ resources: ['secrets'], providers }];

interface Encrypted {
  api: TestApiServer;
  store: Store;
  dir: string;
  file: string;
  metrics: Registry;
  configure(entries: { resources: string[]; providers: object[] }[]): void;
  /** How the values of a resource begin in the store. */
  stored(resource?: string): Promise<string[]>;
  k8ts(...args: string[]): ReturnType<typeof run>;
}

async function encrypted(
  entries: { resources: string[]; providers: object[] }[],
  options: { store?: Store; reload?: boolean; dir?: string; storageMediaType?: StorageMediaType } = {},
): Promise<Encrypted> {
  const { store = openMemoryStore(), reload = true, dir = directory(), storageMediaType = 'application/json' } = options;
  const file = join(dir, 'encryption.json');
  configure(file, entries);
  const metrics = new Registry();
  const encryption = await openEncryption({ file, reload, clock, metrics, serverId: 'test' });
  const api = await startApiServer({ store, server: { encryption, storageMediaType } });
  cleanups.push(() => api.close());
  mkdirSync(dir, { recursive: true });
  copyFileSync(api.kubeconfig, layoutOf(dir).kubeconfig);
  return {
    api,
    store,
    dir,
    file,
    metrics,
    configure: (next) => configure(file, next),
    async stored(resource = 'secrets') {
      const { values } = await store.range(`/registry/${resource}/`);
      return values.map(({ value }) => /^(k8s:enc:[^:]+:[^:]+:[^:]+:|k8s\0|\{"kind")/.exec(value.toString('latin1'))?.[1] ?? '?');
    },
    k8ts: (...args) => run(process.execPath, [main, ...args, '--data-dir', dir]),
  };
}

const secret = (name: string, word = 'hunter2') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default' },
  data: { word: Buffer.from(word).toString('base64') },
});
const create = (api: TestApiServer, name: string) => api.admin.create(Secret, secret(name), { namespace: 'default' });
const reloads = async (metrics: Registry, status: string) =>
  Number(new RegExp(`automatic_reloads_total\\{status="${status}"[^}]*\\} (\\d+)`).exec(await metrics.metrics())?.[1] ?? 0);

test('what is in the store is sealed, what clients get is plain: get, list, watch, the past', async () => {
  const { api, stored, store } = await encrypted(secretsBy(gcm('k1'), { identity: {} }));
  const watching = new AbortController();
  const seen: string[] = [];
  const watch = (async () => {
    for await (const event of api.admin.watch(Secret, { namespace: 'default', resourceVersion: '0', signal: watching.signal }))
      if (event.type !== 'BOOKMARK') seen.push(`${event.type} ${event.object.data?.word}`);
  })().catch(() => {});
  const made = await create(api, 'a');
  await api.admin.update(Secret, { ...made, data: { word: 'bmV3' } }, { namespace: 'default' });
  await api.admin.create(
    ConfigMap,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' }, data: { word: 'hunter2' } },
    { namespace: 'default' },
  );
  expect(new Set(await stored())).toEqual(new Set(['k8s:enc:aesgcm:v1:k1:']));
  expect(new Set(await stored('configmaps'))).toEqual(new Set(['{"kind"']));
  const all = await store.range('/registry/secrets/');
  expect(all.values.some(({ value }) => value.includes('aHVudGVyMg') || value.includes('bmV3'))).toBe(false);

  expect((await api.admin.get(Secret, 'a', { namespace: 'default' })).data).toEqual({ word: 'bmV3' });
  expect((await api.admin.list(Secret, { namespace: 'default' })).items.map(({ data }) => data)).toEqual([{ word: 'bmV3' }]);
  const before = JSON.parse(
    (
      await api.http(
        'GET',
        `/api/v1/namespaces/default/secrets?resourceVersionMatch=Exact&resourceVersion=${made.metadata.resourceVersion}`,
      )
    ).body,
  );
  expect(before.items.map(({ data }: Secret) => data)).toEqual([{ word: 'aHVudGVyMg==' }]);
  await api.admin.delete(Secret, 'a', { namespace: 'default' });
  await waitFor(() => seen.length >= 3);
  expect(seen).toEqual(['ADDED aHVudGVyMg==', 'MODIFIED bmV3', 'DELETED bmV3']);
  watching.abort();
  await watch;
});

test('keys are rotated without a pause: every read and write is answered while the file changes and everything is rewritten', async () => {
  const { api, configure, metrics, stored, k8ts } = await encrypted(secretsBy(gcm('k1')));
  for (let i = 0; i < 60; i++) await create(api, `s${i}`);
  expect(new Set(await stored())).toEqual(new Set(['k8s:enc:aesgcm:v1:k1:']));

  const stop = new AbortController();
  let rounds = 0;
  const load = async (id: number) => {
    for (let i = 0; !stop.signal.aborted; i++, rounds++) {
      const name = `load-${id}`;
      const word = Buffer.from(`${i}`).toString('base64');
      const current = i === 0 ? await create(api, name) : await api.admin.get(Secret, name, { namespace: 'default' });
      await api.admin.update(Secret, { ...current, data: { word } }, { namespace: 'default' });
      expect((await api.admin.get(Secret, name, { namespace: 'default' })).data).toEqual({ word });
      // A store in memory answers within one turn of the event loop, and would leave none to others.
      await setImmediate();
    }
  };
  const busy = Promise.all([1, 2, 3, 4].map(load));
  const reloaded = async (count: number) => waitFor(async () => (await reloads(metrics, 'success')) >= count);

  configure(secretsBy(gcm('k1', 'k2')));
  await reloaded(1);
  configure(secretsBy(gcm('k2', 'k1')));
  await reloaded(2);
  const first = await k8ts('encryption', 'rewrite', '--resource', 'secrets');
  expect(first.code, first.stderr).toBe(0);
  expect(first.stdout).toMatch(/^Rewrote \d+ objects; \d+ were written by the present key already\.\n$/);
  expect(Number(/Rewrote (\d+)/.exec(first.stdout)?.[1])).toBeGreaterThanOrEqual(60);
  configure(secretsBy(gcm('k2')));
  await reloaded(3);
  stop.abort();
  await busy;
  expect(rounds).toBeGreaterThan(10);
  expect(new Set(await stored())).toEqual(new Set(['k8s:enc:aesgcm:v1:k2:']));
  const second = JSON.parse((await k8ts('encryption', 'rewrite', '--resource', 'secrets', '-o', 'json')).stdout);
  expect(second).toMatchObject({ failures: [], resources: [{ resource: 'secrets', rewritten: 0, failed: 0, done: true }] });
  expect((await api.http('GET', '/readyz/kms-providers')).body).toBe('ok');
  // A KMS that is away is no reason to begin anew.
  expect((await api.http('GET', '/livez/kms-providers')).status).toBe(404);
  expect((await api.http('GET', '/livez/poststarthook/start-encryption-provider-config-automatic-reload')).body).toBe('ok');
});

test('an update that changes nothing writes what another key has written, and nothing else', async () => {
  const { api, configure, metrics, stored } = await encrypted(secretsBy(cbc('k1')));
  const made = await create(api, 'a');
  const same = await api.admin.update(Secret, made, { namespace: 'default' });
  expect(same.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  configure(secretsBy({ secretbox: { keys: [key('k2')] } }, cbc('k1')));
  await waitFor(async () => (await reloads(metrics, 'success')) === 1);
  const next = await api.admin.update(Secret, same, { namespace: 'default' });
  expect(next.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
  expect(await stored()).toEqual(['k8s:enc:secretbox:v1:k2:']);
  expect((await api.admin.update(Secret, next, { namespace: 'default' })).metadata.resourceVersion).toBe(next.metadata.resourceVersion);
});

test('a configuration that is wrong is not taken; what was goes on, and the next one that is right is taken', async () => {
  const { api, file, configure, metrics, stored } = await encrypted(secretsBy(gcm('k1')));
  writeFileSync(file, 'kind: EncryptionConfiguration');
  await waitFor(async () => (await reloads(metrics, 'failure')) >= 1);
  await create(api, 'a');
  rmSync(file);
  await create(api, 'b');
  configure(secretsBy(cbc('k2'), gcm('k1')));
  await waitFor(async () => (await reloads(metrics, 'success')) === 1);
  await create(api, 'c');
  expect(await stored()).toEqual(['k8s:enc:aesgcm:v1:k1:', 'k8s:enc:aesgcm:v1:k1:', 'k8s:enc:aescbc:v1:k2:']);
});

test("values that cannot be read are errors in upstream's words; the others are served, and all again when the key is back", async () => {
  const store = openMemoryStore();
  const { api, configure, metrics } = await encrypted(secretsBy(gcm('k1')), { store });
  await create(api, 'good');
  const stored = await store.get('/registry/secrets/default/good');
  // Put where it was not sealed for, as one who can write to the store might.
  await store.commit([], [{ put: '/registry/secrets/default/bad', value: stored?.value ?? Buffer.alloc(0) }]);
  const list = async () => {
    const { status, body } = await api.http('GET', '/api/v1/namespaces/default/secrets');
    return { status, ...JSON.parse(body) };
  };
  const unreadable = {
    status: 'Failure',
    reason: 'InternalError',
    code: 500,
    message: 'Internal error occurred: unable to transform key "/registry/secrets/default/bad": cipher: message authentication failed',
  };
  await waitFor(async () => (await list()).code === 500);
  expect(await list()).toMatchObject(unreadable);
  const { message } = JSON.parse((await api.http('GET', '/api/v1/namespaces/default/secrets/bad')).body);
  expect(message).toBe('Internal error occurred: cipher: message authentication failed');
  expect((await api.admin.get(Secret, 'good', { namespace: 'default' })).data).toEqual(secret('good').data);
  await create(api, 'another');
  await api.admin.list(ConfigMap, { namespace: 'default' });

  configure(secretsBy(cbc('k2')));
  await waitFor(async () => (await reloads(metrics, 'success')) === 1);
  await store.commit([], [{ delete: '/registry/secrets/default/bad' }]);
  await waitFor(async () => (await list()).message?.endsWith('/registry/secrets/default/another": no matching prefix found'));
  configure(secretsBy(cbc('k2'), gcm('k1')));
  await waitFor(async () => (await list()).items?.length === 2);
});

test('a server without a configuration does not take ciphertexts for objects', async () => {
  const store = openMemoryStore();
  const { api } = await encrypted(secretsBy(gcm('k1')), { store });
  await create(api, 'a');
  const plainApi = await startApiServer({ store: { ...bound(store), close: async () => {} } });
  cleanups.push(() => plainApi.close());
  const { status, body } = await plainApi.http('GET', '/api/v1/namespaces/default/secrets');
  expect([status, JSON.parse(body).message]).toEqual([500, 'Internal error occurred: identity transformer tried to read encrypted data']);
});

/** A store's methods, apart from the object that they are of. */
const bound = (store: Store): Store =>
  new Proxy({} as Store, {
    ownKeys: () => [
      'revision',
      'get',
      'range',
      'commit',
      'watch',
      'grantLease',
      'keepAlive',
      'revokeLease',
      'leases',
      'compact',
      'sizeBytes',
    ],
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    get: (_, name) => {
      const value = store[name as keyof Store];
      return typeof value === 'function' ? value.bind(store) : value;
    },
  });

test('everything is encrypted by *.*, custom resources too, and rewritten back to plain', async () => {
  const { api, configure, metrics, stored, k8ts } = await encrypted([{ resources: ['*.*'], providers: [gcm('k1'), { identity: {} }] }]);
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'crontabs.stable.example.com' },
    spec: {
      group: 'stable.example.com',
      scope: 'Namespaced',
      names: { plural: 'crontabs', singular: 'crontab', kind: 'CronTab' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  };
  const applied = await api.kubectl(['apply', '-f', '-'], JSON.stringify(definition));
  expect(applied.code, applied.stderr).toBe(0);
  const cronTab = { apiVersion: 'stable.example.com/v1', kind: 'CronTab', metadata: { name: 'c' }, spec: { secret: 'x' } };
  await waitFor(async () => (await api.kubectl(['apply', '-f', '-'], JSON.stringify(cronTab))).code === 0);
  expect(await stored('stable.example.com/crontabs')).toEqual(['k8s:enc:aesgcm:v1:k1:']);
  const sealed = (await api.store.range('/registry/')).values.filter(({ value }) => value.toString('latin1').startsWith('k8s:enc:'));
  expect(sealed.length).toBeGreaterThan(50);
  configure([{ resources: ['*.*'], providers: [{ identity: {} }, gcm('k1')] }]);
  await waitFor(async () => (await reloads(metrics, 'success')) === 1);
  const result = await k8ts('encryption', 'rewrite');
  expect(result.code, result.stdout + result.stderr).toBe(0);
  expect(await stored('stable.example.com/crontabs')).toEqual(['{"kind"']);
  const { values } = await api.store.range('/registry/');
  expect(values.filter(({ value }) => value.toString('latin1').startsWith('k8s:enc:')).map((v) => v.key)).toEqual([]);
  expect((await api.kubectl(['get', 'crontab', 'c', '-o', 'jsonpath={.spec.secret}'])).stdout).toBe('x');
});

test('an etcd holds ciphertexts, which another API server with the same keys reads', async () => {
  const [etcd] = await startEtcdCluster(1);
  if (!etcd) throw new Error('no etcd');
  cleanups.push(() => etcd.remove());
  const open = () => openEtcdStore({ endpoints: [etcd.address], clock, random });
  const one = await encrypted(secretsBy(cbc('k1')), { store: await open() });
  await create(one.api, 'a');
  const etcdctl = async (...args: string[]) =>
    (
      await promisify(execFile)('etcdctl', ['--endpoints', etcd.address, ...args], {
        env: { ...process.env, ETCDCTL_API: '3' },
        encoding: 'latin1',
      })
    ).stdout;
  const value = await etcdctl('get', '/registry/secrets/default/a', '--print-value-only');
  expect(value.startsWith('k8s:enc:aescbc:v1:k1:')).toBe(true);
  expect(value).not.toContain('Secret');
  const two = await encrypted(secretsBy(gcm('k2'), cbc('k1')), { store: await open() });
  expect((await two.api.admin.get(Secret, 'a', { namespace: 'default' })).data).toEqual(secret('a').data);
  // Neither knows the other's new key: what it cannot read it says, and only of this resource.
  await create(two.api, 'b');
  await waitFor(async () => (await one.api.http('GET', '/api/v1/secrets')).status === 500);
  expect((await one.api.http('GET', '/api/v1/configmaps')).status).toBe(200);
  one.configure(secretsBy(gcm('k2'), cbc('k1')));
  await waitFor(async () => (await one.api.http('GET', '/api/v1/secrets')).status === 200);
  expect((await one.api.admin.get(Secret, 'b', { namespace: 'default' })).data).toEqual(secret('b').data);
});

test('a rewrite that is killed leaves every object readable, and is finished by the next', async () => {
  const dir = directory();
  const store = await openEmbeddedStore({ dir: join(dir, 'store') });
  const { api, configure, metrics, stored, k8ts } = await encrypted(secretsBy(gcm('k1')), { store, dir });
  for (let i = 0; i < 800; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => create(api, `s${i + j}`)));
  configure(secretsBy(gcm('k2', 'k1')));
  await waitFor(async () => (await reloads(metrics, 'success')) === 1);
  const child = spawn(process.execPath, [main, 'encryption', 'rewrite', '--resource', 'secrets', '--data-dir', dir], { stdio: 'ignore' });
  const count = async () => (await stored()).filter((prefix) => prefix === 'k8s:enc:aesgcm:v1:k2:').length;
  await waitFor(async () => (await count()) > 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const half = await count();
  expect((await api.admin.list(Secret, { namespace: 'default' })).items).toHaveLength(800);
  const result = JSON.parse((await k8ts('encryption', 'rewrite', '--resource', 'secrets', '-o', 'json')).stdout);
  expect(result.failures).toEqual([]);
  const [{ rewritten, current }] = result.resources;
  // What was under way in the server when its client was killed is done as well.
  expect(rewritten + current).toBe(800);
  expect(rewritten).toBeGreaterThan(0);
  expect(current).toBeGreaterThanOrEqual(half);
  expect(new Set(await stored())).toEqual(new Set(['k8s:enc:aesgcm:v1:k2:']));
});

test.each(storageMediaTypes)(
  'the log of the embedded store tells of objects, encrypted or not, that lie there as %s',
  async (storageMediaType) => {
    const dir = directory();
    const store = await openEmbeddedStore({ dir: join(dir, 'store') });
    const { api, file, k8ts } = await encrypted([{ resources: ['configmaps'], providers: [gcm('k1')] }], { store, dir, storageMediaType });
    writeFileSync(join(dir, 'cluster.json'), JSON.stringify({ args: { apiserver: { 'encryption-provider-config': file } } }));
    const request = { namespace: 'default', fieldManager: 'somebody' };
    const made = await api.admin.create(
      ConfigMap,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' }, data: { x: '1' } },
      request,
    );
    await api.admin.update(ConfigMap, { ...made, data: { x: '2' } }, request);
    const log = await k8ts('store', 'log', 'configmap/a');
    expect(log.stderr).toBe('');
    expect(log.stdout).toMatch(
      /created ConfigMap default\/a by somebody \(Update\)\n.*changed ConfigMap default\/a.*\n {4}data\.x: "1" → "2"/,
    );
    const quiet = await create(api, 'b');
    await api.admin.update(Secret, { ...quiet, metadata: { ...quiet.metadata, labels: { a: 'b' } }, data: { word: 'bmV3' } }, request);
    const open = await k8ts('store', 'log', 'secret/b');
    expect(open.stdout).toMatch(/changed Secret default\/b by somebody \(Update\)\n/);
    expect(open.stdout).toContain('    data.word: "(hidden)" → "(hidden)"\n');
    expect(open.stdout).toContain('    + metadata.labels: {"a":"b"}\n');
  },
);

const kmsBy = (plugin: KmsPlugin, timeout: string) => [
  {
    resources: ['secrets'],
    providers: [{ kms: { apiVersion: 'v2', name: 'vault', endpoint: plugin.endpoint, timeout } }, { identity: {} }],
  },
];

test('a KMS that hangs takes nothing along but what it has the key of, and everything comes back with it', async () => {
  const plugin = await startKmsPlugin();
  cleanups.push(() => plugin.remove());
  const store = openMemoryStore();
  const first = await encrypted(kmsBy(plugin, '500ms'), { store: { ...bound(store), close: async () => {} } });
  await create(first.api, 'a');
  expect(await first.stored()).toEqual(['k8s:enc:kms:v2:vault:']);
  plugin.hangs.add('Decrypt');
  // Another server, which has to ask for the key.
  const second = await encrypted(kmsBy(plugin, '500ms'), { store });
  const get = (path: string) => second.api.http('GET', path);
  expect((await get('/api/v1/namespaces/default/configmaps')).status).toBe(200);
  const refused = await get('/api/v1/namespaces/default/secrets');
  expect([refused.status, JSON.parse(refused.body).message]).toEqual([
    500,
    expect.stringMatching(
      /^Internal error occurred: unable to transform key "\/registry\/secrets\/default\/a": failed to decrypt DEK, error: rpc error: code = DeadlineExceeded/,
    ),
  ]);
  plugin.hangs.clear();
  await waitFor(async () => (await get('/api/v1/namespaces/default/secrets')).status === 200);
  expect((await second.api.admin.get(Secret, 'a', { namespace: 'default' })).data).toEqual(secret('a').data);
  // Each reads what the other writes, by watch too, while they have keys of their own.
  await create(second.api, 'b');
  await waitFor(async () => (await first.api.admin.list(Secret, { namespace: 'default' })).items.length === 2);
  expect((await get('/readyz/kms-providers')).body).toBe('ok');
});
