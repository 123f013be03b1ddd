/** An etcd that several share: TLS with client certificates, whose names are its users, each of whom may use a part of the keys. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ensureEtcdPki } from '../../src/pki/index.ts';
import { freePorts, startEtcd } from '../../src/store/testing/etcd.ts';
import { type Connection, connectTo } from '../consistency/load/connection.ts';
import { createApiServer } from '../consistency/systems/api-server-part.ts';

describe.runIf(spawnSync('etcdctl', ['version']).status === 0)('an etcd that is shared', () => {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-restricted-'));
  const closing: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  test('serves a cluster that may use the keys below its prefix only, and reads the newest though others write', async () => {
    const pki = await ensureEtcdPki(join(dir, 'pki'), { now: Date.now() });
    expect(pki.client).toBeDefined();
    const file = (name: string) => join(dir, 'pki', name);
    const [clientPort = 0, apiPort = 0] = await freePorts(2);
    const url = `https://127.0.0.1:${clientPort}`;
    const tls = [
      '--client-cert-auth',
      '--trusted-ca-file',
      file('ca.crt'),
      '--cert-file',
      file('server.crt'),
      '--key-file',
      file('server.key'),
    ];
    const etcd = await startEtcd({ args: ['--listen-client-urls', url, '--advertise-client-urls', url, ...tls] });
    closing.push(() => etcd.remove());
    const as = (cert: string) => ['--cacert', file('ca.crt'), '--cert', file(`${cert}.crt`), '--key', file(`${cert}.key`)];
    const etcdctl = (...args: string[]): string => {
      const options = { env: { ...process.env, ETCDCTL_API: '3' }, encoding: 'utf8' } as const;
      // The server's own certificate stands for another client: with a password it may be anybody.
      const done: SpawnSyncReturns<string> = spawnSync('etcdctl', ['--endpoints', url, ...as('server'), ...args], options);
      if (done.status !== 0) throw new Error(done.stderr);
      return done.stdout;
    };
    etcdctl('user', 'add', 'root:secret');
    etcdctl('user', 'grant-role', 'root', 'root');
    etcdctl('role', 'add', 'tenant');
    etcdctl('role', 'grant-permission', '--prefix', 'tenant', 'readwrite', '/tenant/');
    etcdctl('user', 'add', 'etcd-client', '--no-password');
    etcdctl('user', 'grant-role', 'etcd-client', 'tenant');
    etcdctl('auth', 'enable');
    const root = (...args: string[]) => etcdctl('--user', 'root:secret', ...args);

    const args = {
      ...{ 'etcd-servers': url, 'etcd-prefix': '/tenant', 'etcd-compaction-interval': '1h' },
      ...{ 'etcd-cafile': file('ca.crt'), 'etcd-certfile': file('client.crt'), 'etcd-keyfile': file('client.key') },
    };
    const logFile = join(dir, 'api.log');
    const server = createApiServer({
      ...{ name: 'api', dataDir: join(dir, 'api'), logFile, host: '127.0.0.1', port: apiPort, args },
      tell: () => {},
    });
    closing.push(() => server.kill());
    await server.restart();
    const connection: Connection = connectTo(server.address);
    closing.push(() => connection.close());
    const path = '/api/v1/namespaces/default/configmaps';
    const body = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { v: name } });
    for (const name of ['a', 'b', 'c']) {
      expect((await connection.send('POST', path, { body: body(name) })).status).toBe(201);
      const written = Number(/revision" ?: ?(\d+)/.exec(root('put', `/others/${name}`, 'x', '-w', 'json'))?.[1]);
      // Of the newest revision there is, which is the others'.
      const { status, body: list } = await connection.send('GET', path);
      expect(status, JSON.stringify(list)).toBe(200);
      expect((list.items as { metadata: { name: string } }[]).map((item) => item.metadata.name)).toContain(name);
      expect(Number((list.metadata as { resourceVersion: string }).resourceVersion)).toBeGreaterThanOrEqual(written);
    }
    const keys = root('get', '--prefix', '', '--keys-only').split('\n').filter(Boolean);
    expect(keys).toContain('/tenant/configmaps/default/a');
    expect(keys.filter((key) => !/^\/(tenant|others)\//.test(key))).toEqual([]);
    expect(readFileSync(logFile, 'utf8')).not.toContain('permission denied');
  });
});
