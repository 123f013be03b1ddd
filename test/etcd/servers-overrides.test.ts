/** --etcd-servers-overrides: some resources in an etcd of their own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openEtcdStore } from '../../src/store/index.ts';
import { freePorts, startEtcd } from '../../src/store/testing/etcd.ts';
import { connectTo } from '../consistency/load/connection.ts';
import { createApiServer } from '../consistency/systems/api-server-part.ts';
import { eventually } from '../support/wait.ts';

describe.runIf(spawnSync('etcd', ['--version']).status === 0)('two etcds', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  test('each have the resources that they are to have', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'k8ts-overrides-'));
    closing.push(() => rmSync(dir, { recursive: true, force: true }));
    const [one, other] = await Promise.all([startEtcd(), startEtcd()]);
    closing.push(one.remove, other.remove);
    const args = {
      'etcd-servers': `http://${one.address}`,
      'etcd-servers-overrides': `/events#http://${other.address},/configmaps#http://${other.address}`,
    };
    const [port = 0] = await freePorts(1);
    const files = { dataDir: join(dir, 'api'), logFile: join(dir, 'api.log') };
    const server = createApiServer({ name: 'api', ...files, host: '127.0.0.1', port, args, tell: () => {} });
    closing.push(() => server.kill());
    await server.restart();
    const connection = connectTo(server.address);
    closing.push(() => connection.close());
    const namespace = '/api/v1/namespaces/default';
    const over = new AbortController();
    closing.push(() => over.abort());
    const seen: string[] = [];
    const watching = (async () => {
      for await (const line of connection.lines(`${namespace}/configmaps?watch=true`, over.signal))
        seen.push(`${line.type} ${(line.object as { metadata: { name: string } }).metadata.name}`);
    })().catch(() => {});
    const create = async (resource: string, kind: string) => {
      const body = { apiVersion: 'v1', kind, metadata: { name: 'a' } };
      expect((await connection.send('POST', `${namespace}/${resource}`, { body })).status).toBe(201);
      const { body: list } = await connection.send('GET', `${namespace}/${resource}`);
      expect((list.items as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name)).toContain('a');
    };
    await create('configmaps', 'ConfigMap');
    await create('secrets', 'Secret');
    await eventually('the watch has seen it', () => seen.includes('ADDED a'));
    over.abort();
    await watching;

    const keysOf = async (address: string) => {
      const store = await openEtcdStore({ endpoints: [address] });
      const { values } = await store.range('/registry/');
      await store.close();
      return values.map(({ key }) => key);
    };
    const [first, second] = [await keysOf(one.address), await keysOf(other.address)];
    expect(first).toContain('/registry/secrets/default/a');
    expect(second).toContain('/registry/configmaps/default/a');
    expect(first.filter((key) => /^\/registry\/(configmaps|events)\//.test(key))).toEqual([]);
    expect(second.filter((key) => !/^\/registry\/(configmaps|events)\//.test(key))).toEqual([]);
  });
});
