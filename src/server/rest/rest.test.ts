import { expect, test } from 'vitest';
import { Deployment, Pod, PodDisruptionBudget, type Status } from '../../api/index.ts';
import { admin, deployment, namespace, pod } from '../testing/server-of-each-test.ts';
import { openTestServer } from '../testing/test-server.ts';

test('a pod is bound once', async () => {
  await admin.create(Pod, pod('p'));
  await admin.patch(Pod, 'p', 'merge', { status: { nominatedNodeName: 'n1' } }, { namespace, subresource: 'status' });
  const bind = (name: string) =>
    admin.createSubresource<Status>(Pod, 'p', 'binding', { metadata: { name: 'p' }, target: { kind: 'Node', name } }, { namespace });
  expect(await bind('n1')).toMatchObject({ status: 'Success', code: 201 });
  const bound = await admin.get(Pod, 'p', { namespace });
  expect(bound.spec.nodeName).toBe('n1');
  expect(bound.status?.nominatedNodeName).toBeUndefined();
  expect(bound.status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'True' }]);
  await expect(bind('n2')).rejects.toThrow('Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"');
});

test('a bound pod keeps its nomination where the gate for clearing it is off', async () => {
  const own = await openTestServer({ isEnabled: (gate) => gate !== 'ClearingNominatedNodeNameAfterBinding' });
  try {
    await own.admin.create(Pod, pod('p'));
    await own.admin.patch(Pod, 'p', 'merge', { status: { nominatedNodeName: 'n1' } }, { namespace, subresource: 'status' });
    const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } };
    await own.admin.createSubresource<Status>(Pod, 'p', 'binding', binding, { namespace });
    expect((await own.admin.get(Pod, 'p', { namespace })).status?.nominatedNodeName).toBe('n1');
  } finally {
    await own.close();
  }
});

test('eviction respects the disruption budget', async () => {
  await admin.create(Pod, pod('p', { app: 'x' }));
  const running = await admin.get(Pod, 'p', { namespace });
  const conditions = [{ type: 'Ready', status: 'True' }] as NonNullable<Pod['status']>['conditions'];
  await admin.updateStatus(Pod, { ...running, status: { phase: 'Running', ...(conditions ? { conditions } : {}) } });
  const budget = await admin.create(PodDisruptionBudget, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b', namespace },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'x' } } },
  });
  const evict = () =>
    admin.createSubresource(Pod, 'p', 'eviction', { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } }, { namespace });
  const status = { observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
  const blocked = await admin.updateStatus(PodDisruptionBudget, { ...budget, status });
  await expect(evict()).rejects.toMatchObject({
    code: 429,
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    status: {
      details: { causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' }] },
    },
  });
  const failed = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'SyncFailed',
    message: 'hoge',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const unsynced = await admin.updateStatus(PodDisruptionBudget, {
    ...blocked,
    status: { ...status, conditions: [failed] },
  } as typeof blocked);
  await expect(evict()).rejects.toMatchObject({
    status: {
      details: { causes: [{ message: 'The disruption budget b does not allow evicting pods currently because it failed sync: hoge' }] },
    },
  });
  await admin.updateStatus(PodDisruptionBudget, { ...unsynced, status: { ...status, disruptionsAllowed: 1 } });
  await admin.create(PodDisruptionBudget, { ...budget, metadata: { name: 'second', namespace } });
  await expect(evict()).rejects.toMatchObject({ code: 500, message: expect.stringContaining('more than one PodDisruptionBudget') });
  await admin.delete(PodDisruptionBudget, 'second', { namespace });
  await evict();
  await expect(admin.get(Pod, 'p', { namespace })).rejects.toMatchObject({ code: 404 });
  const spent = await admin.get(PodDisruptionBudget, 'b', { namespace });
  expect(spent.status).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { p: expect.any(String) } });
});

test('an evicted pod says so; a trial says nothing', async () => {
  const held = pod('held', {});
  await admin.create(Pod, { ...held, metadata: { ...held.metadata, finalizers: ['test.io/hold'] } });
  const evict = (deleteOptions: object) => {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'held' }, deleteOptions };
    return admin.createSubresource(Pod, 'held', 'eviction', eviction, { namespace });
  };
  const conditions = async () => (await admin.get(Pod, 'held', { namespace })).status?.conditions ?? [];
  await evict({ dryRun: ['All'] });
  expect(await conditions()).toEqual([]);
  const { resourceVersion = '' } = (await admin.get(Pod, 'held', { namespace })).metadata;
  const { uid } = (await admin.get(Pod, 'held', { namespace })).metadata;
  const conflict = 'Operation cannot be fulfilled on Pod "held": the';
  await expect(evict({ preconditions: { resourceVersion: '1' } })).rejects.toMatchObject({
    code: 409,
    message: `${conflict} ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
  });
  await expect(evict({ preconditions: { uid: 'b' } })).rejects.toMatchObject({
    code: 409,
    message: `${conflict} UID in the precondition (b) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
  });
  expect(await conditions()).toEqual([]);
  await evict({ preconditions: { resourceVersion } });
  expect((await admin.get(Pod, 'held', { namespace })).metadata.deletionTimestamp).toBeDefined();
  const target = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' };
  expect(await conditions()).toMatchObject([target]);
  // Once more, of a pod that goes already.
  await evict({});
  await admin.patch(Pod, 'held', 'merge', { metadata: { finalizers: null } }, { namespace });
});

test('a rollback leaves the wish with the deployment, as kubectl before 1.14 asks for it', async () => {
  const deployments = (group: string) => `/apis/${group}/namespaces/${namespace}/deployments`;
  await admin.create(Deployment, deployment('back'));
  const roll = (wish: object, apiVersion = 'extensions/v1beta1') =>
    admin.raw('POST', `${deployments(apiVersion)}/back/rollback`, { body: { apiVersion, kind: 'DeploymentRollback', ...wish } });
  const wish = { name: 'back', updatedAnnotations: { why: 'broken' }, rollbackTo: { revision: 3 } };
  expect(await roll(wish)).toMatchObject({ status: 'Success', code: 200, message: 'rollback request for deployment "back" succeeded' });
  const { metadata } = await admin.get(Deployment, 'back', { namespace });
  expect(metadata).toMatchObject({ generation: 2, annotations: { why: 'broken', 'deprecated.deployment.rollback.to': '3' } });
  await roll({ name: 'back', rollbackTo: {} }, 'apps/v1beta1');
  expect(await admin.raw('GET', `${deployments('extensions/v1beta1')}/back`)).toMatchObject({ spec: { rollbackTo: {} } });
  await expect(roll({ ...wish, name: 'other' })).rejects.toThrow('name in URL does not match name in DeploymentRollback object');
  await expect(roll({ rollbackTo: { revision: -1 } })).rejects.toThrow(
    'DeploymentRollback.apps "" is invalid: [name: Required value: name is required, rollbackTo.version: Invalid value: -1: must be greater than or equal to 0]',
  );
});
