import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControllerRevision, PersistentVolumeClaim, StatefulSet } from '../../api/index.ts';
import { type Harness, selector, startControllers, template } from '../testing/harness.ts';
import { statefulSetController } from './index.ts';

let h: Harness;
beforeEach(async () => {
  h = await startControllers(statefulSetController);
});
afterEach(() => h.stop());

const make = async (replicas: number, spec = {}) => {
  await h.create(StatefulSet, {
    metadata: { name: 'db' },
    spec: {
      replicas,
      selector,
      template: template(),
      serviceName: 'db',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      ...spec,
    },
  });
  await h.settle();
};
const change = async (spec: object) => {
  await h.update(StatefulSet, 'db', (s) => ({ ...s, spec: { ...s.spec, ...spec } }));
  await h.settle();
};
const names = async () => (await h.pods()).map((p) => p.metadata.name).sort();
const images = async () => (await h.pods()).map((p) => `${p.metadata.name} ${p.spec.containers[0]?.image}`).sort();
const runAll = async () => {
  while ((await h.runPods()) > 0) await h.settle();
};
const volumeClaimTemplates = [
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: {},
  },
];

test('brings pods up in order, each when the one before is ready, with an identity of its own', async () => {
  await make(3);
  expect(await names()).toEqual(['db-0']);
  await h.runPods();
  expect(await names()).toEqual(['db-0', 'db-1']);
  await runAll();
  const [first] = await h.pods();
  const { currentRevision } = (await h.get(StatefulSet, 'db')).status ?? {};
  expect(first?.metadata.labels).toEqual({
    app: 'web',
    'statefulset.kubernetes.io/pod-name': 'db-0',
    'apps.kubernetes.io/pod-index': '0',
    'controller-revision-hash': currentRevision,
  });
  expect(first?.spec).toMatchObject({ hostname: 'db-0', subdomain: 'db' });
  expect((await h.get(StatefulSet, 'db')).status).toMatchObject({
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
  });
  expect(await h.events()).toContain('SuccessfulCreate: create Pod db-0 in StatefulSet db successful');
});

test('goes down from the highest ordinal, one at a time', async () => {
  h.api.gracefulKinds.add('Pod');
  await make(3);
  await runAll();
  await change({ replicas: 1 });
  expect((await h.pods()).filter((p) => p.metadata.deletionTimestamp).map((p) => p.metadata.name)).toEqual(['db-2']);
});

test('Parallel does all at once', async () => {
  await make(3, { podManagementPolicy: 'Parallel' });
  expect(await names()).toEqual(['db-0', 'db-1', 'db-2']);
  await change({ replicas: 0 });
  expect(await names()).toEqual([]);
});

test('ordinals may start elsewhere', async () => {
  await make(2, { podManagementPolicy: 'Parallel', ordinals: { start: 5 } });
  expect(await names()).toEqual(['db-5', 'db-6']);
});

test('updates from the highest ordinal down, waiting for each', async () => {
  await make(3);
  await runAll();
  const before = (await h.get(StatefulSet, 'db')).status?.currentRevision;
  await change({ template: template('nginx:2') });
  expect(await images()).toEqual(['db-0 nginx:1', 'db-1 nginx:1', 'db-2 nginx:2']);
  expect((await h.get(StatefulSet, 'db')).status).toMatchObject({ currentRevision: before, updatedReplicas: 1, currentReplicas: 2 });
  await h.runPods();
  expect(await images()).toEqual(['db-0 nginx:1', 'db-1 nginx:2', 'db-2 nginx:2']);
  await runAll();
  const { status } = await h.get(StatefulSet, 'db');
  expect(status?.currentRevision).toBe(status?.updateRevision);
  expect(status?.currentRevision).not.toBe(before);
  expect(await h.list(ControllerRevision)).toHaveLength(2);
});

test('a partition keeps the lower ordinals at the old revision, also when they are made anew', async () => {
  await make(3);
  await runAll();
  await change({ template: template('nginx:2'), updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
  await runAll();
  expect(await images()).toEqual(['db-0 nginx:1', 'db-1 nginx:1', 'db-2 nginx:2']);
  await h.finishPod('db-0', 'Failed');
  await h.settle();
  expect(await images()).toEqual(['db-0 nginx:1', 'db-1 nginx:1', 'db-2 nginx:2']);
  expect(await h.events()).toContain('RecreatingFailedPod: StatefulSet work/db is recreating failed Pod db-0');
});

test('OnDelete leaves pods as they are', async () => {
  await make(1, { updateStrategy: { type: 'OnDelete' } });
  await runAll();
  await change({ template: template('nginx:2') });
  expect(await images()).toEqual(['db-0 nginx:1']);
});

test('a pod that comes back finds its claims again', async () => {
  await make(2, { volumeClaimTemplates });
  await runAll();
  expect((await h.list(PersistentVolumeClaim)).map((c) => c.metadata.name)).toEqual(['data-db-0', 'data-db-1']);
  await change({ replicas: 1 });
  await change({ replicas: 2 });
  expect(await h.list(PersistentVolumeClaim)).toHaveLength(2);
  const pod = (await h.pods()).find((p) => p.metadata.name === 'db-1');
  expect(pod?.spec.volumes).toEqual([{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-1' } }]);
});

test('the retention policy ties claims to the set, and to a pod that is one too many', async () => {
  await make(2, { volumeClaimTemplates, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } });
  await runAll();
  const owners = async () =>
    (await h.list(PersistentVolumeClaim)).map((c) => `${c.metadata.name} ${c.metadata.ownerReferences?.map((r) => `${r.kind}/${r.name}`)}`);
  expect(await owners()).toEqual(['data-db-0 StatefulSet/db', 'data-db-1 StatefulSet/db']);
  await change({ replicas: 1 });
  expect(await owners()).toEqual(['data-db-0 StatefulSet/db', 'data-db-1 Pod/db-1']);
});

test('a claim that is to go with an earlier pod of its name, or that somebody else manages, is left alone', async () => {
  await make(2, { volumeClaimTemplates, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Delete' } });
  await runAll();
  await change({ replicas: 1 });
  const owner = (await h.get(PersistentVolumeClaim, 'data-db-1')).metadata.ownerReferences?.[0];
  expect(owner).toMatchObject({ kind: 'Pod', controller: true, blockOwnerDeletion: true });
  await change({ replicas: 2 });
  expect(await names()).toEqual(['db-0']);
  await h.client.delete(PersistentVolumeClaim, 'data-db-1', { namespace: 'work' });
  await h.settle();
  expect(await names()).toEqual(['db-0', 'db-1']);
  const other = { apiVersion: 'v1', kind: 'Other', name: 'other', uid: 'other', controller: true };
  await h.update(PersistentVolumeClaim, 'data-db-0', (c) => ({ ...c, metadata: { ...c.metadata, ownerReferences: [other] } }));
  await change({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } });
  expect((await h.get(PersistentVolumeClaim, 'data-db-0')).metadata.ownerReferences).toEqual([other]);
  expect(await h.events()).toContainEqual(
    expect.stringMatching(/^ConflictingController: PersistentVolumeClaim data-db-0 has a conflicting/),
  );
});

test('a claim taken away from a pod that waits is made again', async () => {
  await make(1, { volumeClaimTemplates });
  await h.podStatus('db-0', { phase: 'Pending' });
  await h.client.delete(PersistentVolumeClaim, 'data-db-0', { namespace: 'work' });
  await h.settle();
  expect(await h.list(PersistentVolumeClaim)).toHaveLength(1);
});

test('Parallel replaces old pods that are of no use first, and of the others so many as may be unavailable', async () => {
  h.api.gracefulKinds.add('Pod');
  await make(5, { podManagementPolicy: 'Parallel' });
  await h.runPods((p) => p.metadata.name !== 'db-0');
  const updateStrategy = (maxUnavailable: number) => ({ type: 'RollingUpdate' as const, rollingUpdate: { partition: 0, maxUnavailable } });
  const going = async () => (await h.pods()).filter((p) => p.metadata.deletionTimestamp).map((p) => p.metadata.name);
  await change({ template: template('nginx:2'), updateStrategy: updateStrategy(2) });
  expect(await going()).toEqual(['db-0', 'db-4']);
});

test('a revision has the cause of the change, which its annotations tell', async () => {
  await make(1);
  const annotations = { 'kubernetes.io/change-cause': 'a new image' };
  await h.update(StatefulSet, 'db', (s) => ({
    ...s,
    metadata: { ...s.metadata, annotations },
    spec: { ...s.spec, template: template('nginx:2') },
  }));
  await h.settle();
  expect((await h.list(ControllerRevision)).map((r) => r.metadata.annotations)).toEqual([undefined, annotations]);
});
