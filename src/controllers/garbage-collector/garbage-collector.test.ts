import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClusterRole, ConfigMap, type KubeObject, Namespace, type Resource } from '../../api/index.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { garbageCollector } from './index.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([garbageCollector]);
});
afterEach(() => c.stop());

const ref = (owner: KubeObject, blockOwnerDeletion = false) => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name,
  uid: owner.metadata.uid,
  ...(blockOwnerDeletion ? { blockOwnerDeletion } : {}),
});
const map = (name: string, ownerReferences: ReturnType<typeof ref>[] = [], rest: object = {}) =>
  c.create(ConfigMap, { metadata: { name, ownerReferences, ...rest } });
const names = async () => (await c.list(ConfigMap)).map((m) => m.metadata.name).sort();
const remove = (name: string, propagationPolicy: 'Foreground' | 'Background' | 'Orphan', resource: Resource = ConfigMap) =>
  c.client.delete(resource, name, { namespace: 'work', propagationPolicy });

test('dependents go with their owner, and theirs with them; what has another owner stays', async () => {
  const a = await map('a');
  const other = await map('other');
  const b = await map('b', [ref(a)]);
  await map('c', [ref(b)]);
  await map('shared', [ref(a), ref(other)]);
  await c.settle();
  await remove('a', 'Background');
  await c.settle();
  expect(await names()).toEqual(['other', 'shared']);
  expect((await c.get(ConfigMap, 'shared')).metadata.ownerReferences?.map((r) => r.name)).toEqual(['other']);
});

test('an owner that was never there, or was another of its name, is as good as gone', async () => {
  const a = await map('a');
  await map('b', [{ ...ref(a), uid: '00000000-0000-0000-0000-000000000000' }]);
  await map('kept', [ref(a)]);
  await c.settle();
  expect(await names()).toEqual(['a', 'kept']);
});

test('in the foreground the owner waits for the dependents that block it', async () => {
  const a = await map('a');
  await map('b', [ref(a, true)], { finalizers: ['example.com/hold'] });
  await map('c', [ref(a)]);
  await c.settle();
  await remove('a', 'Foreground');
  await c.settle();
  expect(await names()).toEqual(['a', 'b']);
  await c.client.patch(ConfigMap, 'b', 'merge', { metadata: { finalizers: null } }, { namespace: 'work' });
  await c.settle();
  expect(await names()).toEqual([]);
});

test('what is deleted again while something else holds it is freed again', async () => {
  await map('a', [], { finalizers: ['example.com/hold'] });
  await map('b', [ref(await c.get(ConfigMap, 'a'))]);
  for (const policy of ['Foreground', 'Foreground', 'Orphan'] as const) {
    await remove('a', policy);
    await c.settle();
    expect((await c.get(ConfigMap, 'a')).metadata.finalizers, policy).toEqual(['example.com/hold']);
  }
});

test('orphans stay, without their owner', async () => {
  const a = await map('a');
  await map('b', [ref(a)]);
  await c.settle();
  await remove('a', 'Orphan');
  await c.settle();
  expect(await names()).toEqual(['b']);
  expect((await c.get(ConfigMap, 'b')).metadata.ownerReferences ?? []).toEqual([]);
});

test('owners outside of namespaces count, owners in other namespaces do not', async () => {
  const role = await c.create(ClusterRole, { metadata: { name: 'r' }, rules: [] });
  await map('owned', [ref(role)]);
  await c.create(Namespace, { metadata: { name: 'far' }, spec: {} });
  const far = await c.create(ConfigMap, { metadata: { name: 'far', namespace: 'far' } });
  await c.settle();
  await map('misled', [ref(far)]);
  await c.settle();
  expect(await names()).toEqual(['owned']);
  expect(await c.events()).toContainEqual(
    `OwnerRefInvalidNamespace: ownerRef [v1/ConfigMap, namespace: work, name: far, uid: ${far.metadata.uid}] does not exist in namespace "work"`,
  );
  await remove('r', 'Background', ClusterRole);
  await c.settle();
  expect(await names()).toEqual([]);
});

test('an owner of a kind that nobody serves is left alone', async () => {
  await map('a', [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: '00000000-0000-0000-0000-000000000001' }]);
  await c.settle(60_000);
  expect(await names()).toEqual(['a']);
});
