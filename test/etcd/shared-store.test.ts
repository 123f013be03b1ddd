/** Two API servers on one store of ours: the second reaches it through the etcd face of the first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap, type Draft, Service } from '../../src/api/index.ts';
import { ensureEtcdPki } from '../../src/pki/index.ts';
import { type EtcdFace, openEmbeddedStore, openEtcdStore, type Store, serveEtcd } from '../../src/store/index.ts';
import { systemClock as clock } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

const namespace = 'default';
const dir = mkdtempSync(join(tmpdir(), 'k8ts-shared-'));
let store: Store;
let remote: Store;
let face: EtcdFace;
let first: TestApiServer;
let second: TestApiServer;

beforeAll(async () => {
  const pki = await ensureEtcdPki(join(dir, 'pki'), { now: clock.now() });
  store = await openEmbeddedStore({ dir: join(dir, 'store'), clock });
  const tls = { ca: pki.ca.certificate, cert: pki.server.certificate, key: pki.server.key };
  face = await serveEtcd({ store, clock, listen: '127.0.0.1:0', tls });
  const client = { ca: Buffer.from(pki.ca.certificate), cert: Buffer.from(pki.client.certificate), key: Buffer.from(pki.client.key) };
  remote = await openEtcdStore({ endpoints: [`https://${face.address}`], tls: client });
  first = await startApiServer({ store, server: { sharedStore: true } });
  second = await startApiServer({ store: remote, server: { sharedStore: true } });
});

afterAll(async () => {
  await second?.close();
  await first?.close();
  await remote?.close();
  await face?.close();
  await store?.close();
  rmSync(dir, { recursive: true, force: true });
});

test('what is written through one is watched through the other, in order and once', async () => {
  const servers = [first, second];
  const begin = (await second.admin.list(ConfigMap, { namespace })).metadata.resourceVersion ?? '';
  const stop = new AbortController();
  const follow = async (server: TestApiServer) => {
    const seen: string[] = [];
    for await (const { type, object } of server.admin.watch(ConfigMap, { namespace, resourceVersion: begin, signal: stop.signal })) {
      if (type !== 'ADDED') continue;
      seen.push(`${object.metadata.resourceVersion} ${object.metadata.name}`);
      if (seen.length === 60) return seen;
    }
    return seen;
  };
  const watching = servers.map(follow);
  const names = Array.from({ length: 60 }, (_, i) => `c${i}`);
  const made = await Promise.all(
    names.map((name, i) => {
      const draft: Draft<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } };
      return (servers[i % 2] as TestApiServer).admin.create(ConfigMap, draft, { namespace });
    }),
  );
  const expected = made
    .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
    .map(({ metadata }) => `${metadata.resourceVersion} ${metadata.name}`);
  expect(await Promise.all(watching)).toEqual([expected, expected]);
  stop.abort();
  // And read at once, by who asks for the newest.
  const { items } = await second.admin.list(ConfigMap, { namespace });
  expect(items.filter((c) => c.metadata.name?.startsWith('c'))).toHaveLength(60);
});

test('no address and no node port is given out twice', async () => {
  const service = (name: string, nodePort?: number): Draft<Service> => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { type: 'NodePort', ports: [{ port: 80, ...(nodePort ? { nodePort } : {}) }] },
  });
  const servers = [first, second];
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      // Every fifth asks for the same port.
      (servers[i % 2] as TestApiServer).admin.create(Service, service(`s${i}`, i % 5 === 0 ? 30_007 : undefined), { namespace }),
    ),
  );
  const made = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
  const refused = results.flatMap((r) => (r.status === 'rejected' ? [String(r.reason)] : []));
  expect(made).toHaveLength(17);
  for (const why of refused) expect(why).toContain('provided port is already allocated');
  const ports = made.map((s) => s.spec?.ports?.[0]?.nodePort);
  expect(new Set(ports).size).toBe(ports.length);
  expect(new Set(made.map((s) => s.spec?.clusterIP)).size).toBe(made.length);
});
