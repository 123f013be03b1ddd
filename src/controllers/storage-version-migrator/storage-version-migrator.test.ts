import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMap, storagemigrationV1beta1 } from '../../api/index.ts';
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
