import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClusterRole, Pod, PodDisruptionBudget, ReplicaSet, ResourceQuota, Secret } from '../api/index.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { disruptionController } from './disruption/index.ts';
import { resourceQuotaController } from './resource-quota.ts';
import { startCluster, type TestCluster } from './testing/cluster.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([clusterRoleAggregationController, disruptionController, resourceQuotaController]);
});
afterEach(() => c.stop());

const used = async () => (await c.get(ResourceQuota, 'q')).status?.used;
const budget = async () => (await c.get(PodDisruptionBudget, 'b')).status;

test('a quota counts what its namespace uses, and counts anew as that changes', async () => {
  await c.runPod('a', {
    spec: { containers: [{ name: 'm', image: 'i', resources: { requests: { cpu: '500m' }, limits: { memory: '1Gi' } } }] },
  });
  const hard = { pods: '5', 'requests.cpu': '2', 'limits.memory': '4Gi', secrets: '3', 'count/replicasets.apps': '1' };
  await c.create(ResourceQuota, { metadata: { name: 'q' }, spec: { hard } });
  await c.settle();
  expect((await c.get(ResourceQuota, 'q')).status).toEqual({
    hard,
    used: { pods: '1', 'requests.cpu': '500m', 'limits.memory': '1Gi', secrets: '0', 'count/replicasets.apps': '0' },
  });
  await c.create(Secret, { metadata: { name: 's' } });
  await c.settle(2000);
  expect(await used()).toMatchObject({ secrets: '1' });
  await c.status(Pod, 'a', { phase: 'Succeeded' });
  await c.client.delete(Secret, 's', { namespace: 'work' });
  await c.settle();
  expect(await used()).toMatchObject({ pods: '0', 'requests.cpu': '0', secrets: '0' });
});

test('a quota with a scope counts the pods in it', async () => {
  await c.runPod('plain');
  await c.runPod('asks', { spec: { containers: [{ name: 'm', image: 'i', resources: { requests: { cpu: '1' } } }] } });
  await c.create(ResourceQuota, { metadata: { name: 'q' }, spec: { hard: { pods: '5' }, scopes: ['BestEffort'] } });
  await c.settle();
  expect(await used()).toEqual({ pods: '1' });
});

const replicaSet = (replicas: number) =>
  c.create(ReplicaSet, {
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'm', image: 'i' }] } },
    },
  });
const selector = { matchLabels: { app: 'web' } };

test('a budget allows as many disruptions as there are healthy pods too many', async () => {
  const { metadata, apiVersion, kind } = await replicaSet(4);
  const ownerReferences = [{ apiVersion, kind, name: 'web', uid: metadata.uid, controller: true }];
  for (const name of ['a', 'b', 'c']) await c.runPod(name, { metadata: { ownerReferences } });
  await c.create(PodDisruptionBudget, { metadata: { name: 'b' }, spec: { selector, maxUnavailable: '50%' } });
  await c.settle();
  expect(await budget()).toMatchObject({
    expectedPods: 4,
    currentHealthy: 3,
    desiredHealthy: 2,
    disruptionsAllowed: 1,
    observedGeneration: 1,
    conditions: [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' }],
  });
  await c.client.delete(Pod, 'a', { namespace: 'work' });
  await c.settle();
  expect(await budget()).toMatchObject({
    currentHealthy: 2,
    disruptionsAllowed: 0,
    conditions: [{ status: 'False', reason: 'InsufficientPods' }],
  });
  await c.update(ReplicaSet, 'web', (r) => ({ ...r, spec: { ...r.spec, replicas: 2 } }));
  await c.settle();
  expect(await budget()).toMatchObject({ expectedPods: 2, desiredHealthy: 1, disruptionsAllowed: 1 });
});

test('an evicted pod does not count as healthy, until it has not been deleted for too long', async () => {
  await c.runPod('a');
  await c.runPod('b');
  await c.create(PodDisruptionBudget, { metadata: { name: 'b' }, spec: { selector, minAvailable: 1 } });
  await c.settle();
  expect(await budget()).toMatchObject({ disruptionsAllowed: 1 });
  const now = new Date(c.clock.now()).toISOString().replace('.000', '');
  await c.status(PodDisruptionBudget, 'b', { disruptedPods: { a: now }, disruptionsAllowed: 0 });
  await c.settle();
  expect(await budget()).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0, disruptedPods: { a: now } });
  await c.settle(125_000);
  expect(await budget()).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 });
  expect(await c.events()).toContain("NotDeleted: Pod was expected by PDB work/b to be deleted but it wasn't");
});

test('a share of pods that nobody controls cannot be counted', async () => {
  await c.runPod('a');
  await c.create(PodDisruptionBudget, { metadata: { name: 'b' }, spec: { selector, minAvailable: '50%' } });
  await c.settle();
  expect(await budget()).toMatchObject({ disruptionsAllowed: 0, expectedPods: 0 });
  expect((await c.events()).some((e) => e.startsWith('UnmanagedPods: Pods selected by this PodDisruptionBudget'))).toBe(true);
});

test('an aggregated role has the rules of the roles that match', async () => {
  const read = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
  const write = { apiGroups: [''], resources: ['pods'], verbs: ['create'] };
  const labels = { 'rbac.authorization.k8s.io/aggregate-to-all': 'true' };
  await c.create(ClusterRole, { metadata: { name: 'all' }, aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] } });
  await c.create(ClusterRole, { metadata: { name: 'b', labels }, rules: [write, read] });
  await c.create(ClusterRole, { metadata: { name: 'a', labels }, rules: [read] });
  await c.settle();
  expect((await c.get(ClusterRole, 'all')).rules).toEqual([read, write]);
  await c.client.delete(ClusterRole, 'b');
  await c.settle();
  expect((await c.get(ClusterRole, 'all')).rules).toEqual([read]);
});
