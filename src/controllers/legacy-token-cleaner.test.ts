import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMap, Namespace, Pod, Secret, ServiceAccount } from '../api/index.ts';
import { legacyTokenCleanerController } from './legacy-token-cleaner.ts';
import { startCluster, type TestCluster } from './testing/cluster.ts';

const dayMs = 24 * 3_600_000;
const tracking = 'kube-apiserver-legacy-service-account-token-tracking';
let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([legacyTokenCleanerController], { legacyTokenCleanUpPeriodMs: 10 * dayMs });
  const today = new Date(c.clock.now()).toISOString().slice(0, 10);
  await c.client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' }, spec: {} });
  const made = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: tracking }, data: { since: today } } as const;
  await c.client.create(ConfigMap, made, { namespace: 'kube-system' });
  await c.create(ServiceAccount, { metadata: { name: 'robot' }, secrets: [{ name: 'token' }] });
});
afterEach(() => c.stop());

const makeSecret = (name: string, labels: Record<string, string> = {}) =>
  c.create(Secret, {
    metadata: { name, labels, annotations: { 'kubernetes.io/service-account.name': 'robot' } },
    type: 'kubernetes.io/service-account-token',
  });
const invalidSince = async (name: string) => (await c.find(Secret, name))?.metadata.labels?.['kubernetes.io/legacy-token-invalid-since'];
const day = (days: number) => new Date(c.clock.now() + days * dayMs).toISOString().slice(0, 10);

test('a generated token that nobody uses is marked, and goes after as long again', async () => {
  await makeSecret('token');
  await makeSecret('own');
  await c.settle(9 * dayMs);
  expect(await invalidSince('token')).toBeUndefined();
  await c.settle(3 * dayMs);
  expect(await invalidSince('token')).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  await c.settle(7 * dayMs);
  expect(await c.find(Secret, 'token')).toBeDefined();
  await c.settle(6 * dayMs);
  expect(await c.find(Secret, 'token')).toBeUndefined();
  // What nobody lists somebody has made.
  expect(await invalidSince('own')).toBeUndefined();
  expect(await c.find(Secret, 'own')).toBeDefined();
});

test('one that is used, or a pod names, or whose label says nothing, stays as it is', async () => {
  await c.update(ServiceAccount, 'robot', (account) => ({ ...account, secrets: ['used', 'named', 'odd'].map((name) => ({ name })) }));
  await makeSecret('used', { 'kubernetes.io/legacy-token-last-used': day(5) });
  await makeSecret('odd', { 'kubernetes.io/legacy-token-last-used': 'yesterday' });
  await makeSecret('named');
  await c.create(Pod, {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'main', image: 'nginx:1' }], volumes: [{ name: 'v', secret: { secretName: 'named' } }] } as never,
  });
  await c.settle(13 * dayMs);
  for (const name of ['used', 'odd', 'named']) expect(await invalidSince(name)).toBeUndefined();
  await c.client.delete(Pod, 'p', { namespace: 'work', gracePeriodSeconds: 0 });
  await c.settle(4 * dayMs);
  expect(await invalidSince('used')).toBeDefined();
  expect(await invalidSince('named')).toBeDefined();
  expect(await invalidSince('odd')).toBeUndefined();
});
