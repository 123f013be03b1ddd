import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMap, Namespace, Pod, ReplicaSet, Secret, ServiceAccount } from '../../api/index.ts';
import { rootCaCertPublisher } from '../root-ca-cert-publisher.ts';
import { serviceAccountController } from '../service-account.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { namespaceController } from './index.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([namespaceController, serviceAccountController, rootCaCertPublisher], { rootCa: 'PEM' });
});
afterEach(() => c.stop());

const condition = async (type: string) => (await c.get(Namespace, 'work')).status?.conditions?.find((x) => x.type === type);

test('a namespace has its default account and root certificate, and gets them back', async () => {
  expect((await c.list(ServiceAccount)).map((s) => s.metadata.name)).toEqual(['default']);
  expect((await c.get(ConfigMap, 'kube-root-ca.crt')).data).toEqual({ 'ca.crt': 'PEM' });
  await c.client.delete(ServiceAccount, 'default', { namespace: 'work' });
  await c.update(ConfigMap, 'kube-root-ca.crt', (m) => ({ ...m, data: {} }));
  await c.settle();
  expect(await c.list(ServiceAccount)).toHaveLength(1);
  expect((await c.get(ConfigMap, 'kube-root-ca.crt')).data).toEqual({ 'ca.crt': 'PEM' });
});

test('a deleted namespace is emptied and goes', async () => {
  await c.create(Secret, { metadata: { name: 's' } });
  await c.client.delete(Namespace, 'work');
  await c.settle();
  expect(await c.find(Namespace, 'work')).toBeUndefined();
  expect(await c.list(Secret)).toEqual([]);
  expect(await c.list(ConfigMap)).toEqual([]);
});

test('it waits for pods that end in their own time, keeping the rest, and goes on as soon as the last is gone', async () => {
  await c.runPod('slow');
  await c.create(Secret, { metadata: { name: 's' } });
  await c.client.delete(Namespace, 'work');
  await c.settle();
  expect(await condition('NamespaceContentRemaining')).toMatchObject({
    status: 'True',
    reason: 'SomeResourcesRemain',
    message: 'Some resources are remaining: pods. has 1 resource instances',
  });
  expect(await condition('NamespaceDeletionContentFailure')).toMatchObject({
    status: 'False',
    reason: 'ContentDeleted',
    message: 'All content successfully deleted, may be waiting on finalization',
  });
  expect(await c.find(Secret, 's')).toBeDefined();
  await c.removePod('slow');
  await c.settle();
  expect(await c.find(Namespace, 'work')).toBeUndefined();
});

test('it says which finalizers hold it', async () => {
  await c.create(Pod, {
    metadata: { name: 'p', finalizers: ['example.com/hold'] },
    spec: { containers: [{ name: 'main', image: 'i' }] } as never,
  });
  await c.client.delete(Namespace, 'work');
  await c.settle();
  expect(await condition('NamespaceFinalizersRemaining')).toMatchObject({
    reason: 'SomeFinalizersRemain',
    message: 'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  });
  await c.client.patch(Pod, 'p', 'merge', { metadata: { finalizers: null } }, { namespace: 'work' });
  await c.settle();
  expect(await c.find(Namespace, 'work')).toBeUndefined();
});

test('what is served under two names counts once', async () => {
  const labels = { app: 'web' };
  await c.create(ReplicaSet, {
    metadata: { name: 'web', finalizers: ['example.com/hold'] },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'i' }] } },
    } as never,
  });
  await c.client.delete(Namespace, 'work');
  await c.settle();
  expect((await condition('NamespaceContentRemaining'))?.message).toBe(
    'Some resources are remaining: replicasets.apps has 1 resource instances',
  );
});
