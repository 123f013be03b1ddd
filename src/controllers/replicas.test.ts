import { afterEach, beforeEach, expect, test } from 'vitest';
import { errors, Pod, ReplicaSet, ReplicationController } from '../api/index.ts';
import { controllerOf } from '../client/index.ts';
import { planReplicas } from './replicas.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationController } from './replication-controller.ts';
import { type Harness, selector, startControllers, template } from './testing/harness.ts';

let h: Harness;
beforeEach(async () => {
  h = await startControllers(replicaSetController, replicationController);
});
afterEach(() => h.stop());

const make = (replicas: number, spec = {}) =>
  h.create(ReplicaSet, { metadata: { name: 'web' }, spec: { replicas, selector, template: template(), ...spec } });

test('makes the pods that are asked for, replaces one that goes, and says so', async () => {
  await make(3);
  await h.settle();
  const pods = await h.pods();
  expect(pods).toHaveLength(3);
  expect(pods[0]?.metadata).toMatchObject({
    generateName: 'web-',
    labels: { app: 'web' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'web', controller: true }],
  });
  await h.client.delete(Pod, pods[0]?.metadata.name ?? '', { namespace: 'work' });
  await h.settle();
  expect(await h.pods()).toHaveLength(3);
  expect((await h.get(ReplicaSet, 'web')).status).toMatchObject({ replicas: 3, fullyLabeledReplicas: 3, observedGeneration: 1 });
  expect((await h.events()).filter((e) => e.startsWith('SuccessfulCreate: Created pod: web-'))).toHaveLength(4);
});

test('never makes too many while its cache lags behind', async () => {
  await make(5);
  for (let i = 0; i < 5; i++) {
    await h.update(ReplicaSet, 'web', (r) => ({ ...r, metadata: { ...r.metadata, labels: { turn: String(i) } } }));
    await h.settle();
  }
  expect(h.api.log.filter((l) => l === 'POST /api/v1/namespaces/work/pods')).toHaveLength(5);
});

test('scales down by removing the pods that are worth least', async () => {
  await make(3);
  await h.settle();
  const [first] = await h.pods();
  await h.runPods((pod) => pod.metadata.name === first?.metadata.name);
  await h.update(ReplicaSet, 'web', (r) => ({ ...r, spec: { ...r.spec, replicas: 1 } }));
  await h.settle();
  expect((await h.pods()).map((p) => p.metadata.name)).toEqual([first?.metadata.name]);
});

test('adopts orphans that match and releases pods that no longer do', async () => {
  await h.create(Pod, { metadata: { name: 'orphan', labels: { app: 'web' } }, spec: { containers: [] } });
  await make(2);
  await h.settle();
  expect(controllerOf(await h.get(Pod, 'orphan'))?.name).toBe('web');
  expect(await h.pods()).toHaveLength(2);
  await h.client.patch(Pod, 'orphan', 'merge', { metadata: { labels: { app: 'debug' } } }, { namespace: 'work' });
  await h.settle();
  expect(controllerOf(await h.get(Pod, 'orphan'))).toBeUndefined();
  expect(await h.pods()).toHaveLength(3);
});

test('a pod is available after it was ready for minReadySeconds', async () => {
  await make(1, { minReadySeconds: 10 });
  await h.settle();
  await h.runPods();
  expect((await h.get(ReplicaSet, 'web')).status).toMatchObject({ readyReplicas: 1 });
  expect((await h.get(ReplicaSet, 'web')).status?.availableReplicas).toBeUndefined();
  await h.settle(10_000);
  expect((await h.get(ReplicaSet, 'web')).status?.availableReplicas).toBe(1);
});

test('what keeps pods from being made shows as an event and a condition, and is tried again', async () => {
  h.api.intercept = (request) => {
    if (request.method === 'POST' && request.path.endsWith('/pods')) throw errors.forbidden(Pod, '', 'exceeded quota');
  };
  await make(50);
  await h.settle();
  expect(await h.events()).toContainEqual(expect.stringMatching(/^FailedCreate: Error creating: pods is forbidden: exceeded quota/));
  expect((await h.get(ReplicaSet, 'web')).status?.conditions).toMatchObject([
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'pods is forbidden: exceeded quota' },
  ]);
  h.api.intercept = undefined;
  await h.settle(10_000);
  expect(await h.pods()).toHaveLength(50);
  expect((await h.get(ReplicaSet, 'web')).status?.conditions ?? []).toEqual([]);
});

test('a ReplicationController does the same with its map selector', async () => {
  await h.create(ReplicationController, {
    metadata: { name: 'old' },
    spec: { replicas: 2, selector: { app: 'web' }, template: template() },
  });
  await h.settle();
  expect(await h.pods()).toHaveLength(2);
  expect((await h.get(ReplicationController, 'old')).status).toMatchObject({ replicas: 2 });
});

test('pods go in upstream order: unassigned, pending, not ready, cheap, crowded, restarted, young', () => {
  const at = (seconds: number) => new Date(seconds * 1000).toISOString();
  const pod = (name: string, spec: object, status: object, metadata: object = {}) =>
    ({ metadata: { name, uid: name, creationTimestamp: at(0), ...metadata }, spec, status }) as unknown as Pod;
  const ready = (since = 0, extra = {}) => ({
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: at(since) }],
    ...extra,
  });
  const on = (nodeName: string) => ({ nodeName });
  const pods = [
    pod('oldest', on('a'), ready()),
    pod('restarted', on('a'), ready(0, { containerStatuses: [{ restartCount: 4 }] })),
    pod('recently-ready', on('a'), ready(99_000)),
    pod('crowded', on('b'), ready()),
    pod('cheap', on('a'), ready(), { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } }),
    pod('not-ready', on('a'), { phase: 'Running' }),
    pod('pending', on('a'), { phase: 'Pending' }),
    pod('unassigned', {}, { phase: 'Pending' }),
  ];
  const crowd = Array.from({ length: 9 }, (_, i) => pod(`other-${i}`, on('b'), ready()));
  expect(planReplicas(0, pods, [...pods, ...crowd], 100_000_000).remove.map((p) => p.metadata.name)).toEqual([
    'unassigned',
    'pending',
    'not-ready',
    'cheap',
    'crowded',
    'recently-ready',
    'restarted',
    'oldest',
  ]);
  // Where PodDeletionCost is off nobody asks what is cheap.
  expect(planReplicas(4, pods, [...pods, ...crowd], 100_000_000, false).remove.map((p) => p.metadata.name)).toEqual([
    'unassigned',
    'pending',
    'not-ready',
    'crowded',
  ]);
});

test('of times of one order of magnitude the uid decides, before restarts do', () => {
  const pod = (uid: string, readySeconds: number, restartCount: number) =>
    ({
      metadata: { name: uid, uid, creationTimestamp: new Date(0).toISOString() },
      spec: { nodeName: 'n' },
      status: {
        phase: 'Running',
        containerStatuses: [{ restartCount }],
        conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date(readySeconds * 1000).toISOString() }],
      },
    }) as unknown as Pod;
  const pods = [pod('b', 10, 5), pod('a', 20, 0)];
  expect(planReplicas(1, pods, pods, 100_000_000).remove.map((p) => p.metadata.name)).toEqual(['a']);
});

test('a pod that has ended is not let go of when its labels change', async () => {
  await h.create(ReplicaSet, { metadata: { name: 'web' }, spec: { replicas: 1, selector, template: template() } });
  await h.settle();
  const [pod] = await h.pods();
  const name = pod?.metadata.name ?? '';
  await h.finishPod(name, 'Failed');
  await h.update(Pod, name, (p) => ({ ...p, metadata: { ...p.metadata, labels: {} } }));
  await h.settle();
  expect((await h.get(Pod, name)).metadata.ownerReferences).toHaveLength(1);
});
