import { afterEach, beforeEach, expect, test } from 'vitest';
import { apiserverinternalV1alpha1, ConfigMap, Lease, Namespace, storagemigrationV1beta1, withServers } from '../../api/index.ts';
import { storageVersionGarbageCollector } from '../storage-version-gc.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { activeOf, storageVersionMigratorController } from './index.ts';

const { StorageVersionMigration } = storagemigrationV1beta1;

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([storageVersionMigratorController]);
});
afterEach(() => c.stop());

const migrate = (name: string, resource: string, group = '') =>
  c.create(StorageVersionMigration, { metadata: { name }, spec: { resource: { group, resource } } });
const conditionsOf = async (name: string) =>
  (await c.client.get(StorageVersionMigration, name)).status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`);

test('what is stored as it should be stays as it is', async () => {
  const { metadata } = await c.create(ConfigMap, { metadata: { name: 'c' } });
  await migrate('m', 'configmaps');
  await c.settle(1000);
  expect(await conditionsOf('m')).toContain('Succeeded True StorageVersionMigrationSucceeded');
  expect((await c.get(ConfigMap, 'c')).metadata).toEqual(metadata);
});

test('resources that there are not, some time later, and such as cannot be written are not migrated', async () => {
  await migrate('nothing', 'nothings', 'example.com');
  await migrate('reviews', 'tokenreviews', 'authentication.k8s.io');
  await c.settle(1000);
  const messageOf = async (name: string) =>
    (await c.client.get(StorageVersionMigration, name)).status?.conditions?.find(({ type }) => type === 'Failed')?.message;
  expect(await messageOf('nothing')).toBeUndefined();
  expect(await messageOf('reviews')).toBe(
    'resource "authentication.k8s.io/v1, Resource=tokenreviews" does not support discovery operations: [update patch list]',
  );
  await c.settle(90_000);
  expect(await messageOf('nothing')).toBe('resource does not exist in discovery');
});

test('of several for one resource the one at work goes on, then the oldest', () => {
  const one = (name: string, second: number, ...types: string[]) => ({
    ...{ apiVersion: 'storagemigration.k8s.io/v1beta1', kind: 'StorageVersionMigration', spec: { resource: { group: '', resource: 'r' } } },
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: `2026-01-01T00:00:0${second}Z` },
    status: { conditions: types.map((type) => ({ type, status: 'True', lastTransitionTime: '', reason: '', message: '' })) },
  });
  const [done, old, young, running] = [one('d', 0, 'Failed'), one('o', 1), one('y', 1), one('r', 2, 'Running')];
  expect(activeOf([done, young, old])?.metadata.name).toBe('o');
  expect(activeOf([done, young, old, running])?.metadata.name).toBe('r');
  expect(activeOf([done])).toBeUndefined();
});

test('what an API server has said of its versions goes with its Lease', async () => {
  await c.stop();
  c = await startCluster([storageVersionGarbageCollector], {}, () => true);
  const { StorageVersion } = apiserverinternalV1alpha1;
  const namespace = 'kube-system';
  await c.client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} });
  const labels = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };
  for (const name of ['a', 'b'])
    await c.client.create(
      Lease,
      { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, labels }, spec: {} },
      { namespace },
    );
  const says = (apiServerID: string, version: string) => ({ apiServerID, encodingVersion: version, decodableVersions: ['v1', 'v2'] });
  const version = { apiVersion: 'internal.apiserver.k8s.io/v1alpha1', kind: 'StorageVersion', spec: {} };
  for (const [name, servers] of [
    ['core.pods', [says('a', 'v1'), says('b', 'v2'), says('stranger', 'v2')]],
    ['core.secrets', [says('b', 'v2')]],
  ] as const) {
    const made = await c.client.create(StorageVersion, { ...version, metadata: { name } });
    const status = withServers(undefined, [...servers], '2026-01-01T00:00:00Z');
    expect(status.commonEncodingVersion).toBe(servers.length === 1 ? 'v2' : undefined);
    await c.client.updateStatus(StorageVersion, { ...made, status });
  }
  await c.settle();
  const pods = async () => (await c.client.get(StorageVersion, 'core.pods')).status;
  expect((await pods())?.storageVersions?.map(({ apiServerID }) => apiServerID)).toEqual(['a', 'b']);
  await c.client.delete(Lease, 'b', { namespace });
  await c.settle();
  expect(await pods()).toMatchObject({
    storageVersions: [{ apiServerID: 'a' }],
    commonEncodingVersion: 'v1',
    conditions: [{ type: 'AllEncodingVersionsEqual', status: 'True', reason: 'CommonEncodingVersionSet' }],
  });
  await expect(c.client.get(StorageVersion, 'core.secrets')).rejects.toThrow('not found');
});
