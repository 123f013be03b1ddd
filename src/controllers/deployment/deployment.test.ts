import { afterEach, beforeEach, expect, test } from 'vitest';
import { Deployment, Pod, ReplicaSet } from '../../api/index.ts';
import { conditionOf } from '../framework/index.ts';
import { replicaSetController } from '../replicaset.ts';
import { type Harness, selector, startControllers, template } from '../testing/harness.ts';
import { deploymentController } from './index.ts';

let h: Harness;
beforeEach(async () => {
  h = await startControllers(deploymentController, replicaSetController);
});
afterEach(() => h.stop());

const make = async (replicas: number, spec = {}) => {
  await h.create(Deployment, {
    metadata: { name: 'web' },
    spec: { replicas, selector, template: template(), revisionHistoryLimit: 10, progressDeadlineSeconds: 600, ...spec },
  });
  await h.settle();
};
const change = async (spec: object) => {
  await h.update(Deployment, 'web', (d) => ({ ...d, spec: { ...d.spec, ...spec } }));
  await h.settle();
};
const get = () => h.get(Deployment, 'web');
const sizes = async () => {
  const sets = (await h.list(ReplicaSet)).sort((a, b) => a.metadata.uid.localeCompare(b.metadata.uid));
  return sets.map((s) => s.spec.replicas);
};
const progress = async () => conditionOf((await get()).status?.conditions, 'Progressing');
/** Runs pods until nothing changes; answers the fewest ready and the most pods that there were on the way. */
const rollOut = async () => {
  let most = 0;
  let fewest = Number.POSITIVE_INFINITY;
  for (;;) {
    const pods = (await h.pods()).filter((p) => !p.metadata.deletionTimestamp);
    most = Math.max(most, pods.length);
    fewest = Math.min(fewest, pods.filter((p) => p.status?.phase === 'Running').length);
    const next = pods.find((p) => p.status?.phase === undefined);
    if (!next) return { most, fewest };
    await h.runPods((p) => p.metadata.name === next.metadata.name);
    await h.settle(1000);
  }
};

test('makes a replica set for its template, and reports it complete when the pods are available', async () => {
  await make(3);
  const [set] = await h.list(ReplicaSet);
  const hash = set?.metadata.labels?.['pod-template-hash'] ?? '';
  expect(set?.metadata.name).toBe(`web-${hash}`);
  expect(set?.metadata.annotations).toEqual({
    'deployment.kubernetes.io/revision': '1',
    'deployment.kubernetes.io/desired-replicas': '3',
    'deployment.kubernetes.io/max-replicas': '4',
  });
  expect(set?.spec.selector?.matchLabels).toEqual({ app: 'web', 'pod-template-hash': hash });
  expect((await get()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1');
  expect(await h.events()).toContain(`ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`);
  await h.runPods();
  expect((await get()).status).toMatchObject({
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    unavailableReplicas: 0,
  });
  expect(await progress()).toMatchObject({
    status: 'True',
    reason: 'NewReplicaSetAvailable',
    message: `ReplicaSet "web-${hash}" has successfully progressed.`,
  });
  expect(conditionOf((await get()).status?.conditions, 'Available')).toMatchObject({ status: 'True', reason: 'MinimumReplicasAvailable' });
});

test.each([
  ['the defaults', {}, 10, { most: 13, fewest: 8 }],
  ['no surge', { maxSurge: 0, maxUnavailable: 1 }, 4, { most: 4, fewest: 3 }],
  ['no unavailability', { maxSurge: 1, maxUnavailable: 0 }, 4, { most: 5, fewest: 4 }],
])('a rolling update stays within its limits: %s', async (_, rollingUpdate, replicas, limits) => {
  await make(replicas, { strategy: { type: 'RollingUpdate', rollingUpdate } });
  await h.runPods();
  await change({ template: template('nginx:2') });
  const seen = await rollOut();
  expect(seen).toEqual(limits);
  expect(await sizes()).toEqual([0, replicas]);
  expect((await h.pods()).every((p) => p.spec.containers[0]?.image === 'nginx:2')).toBe(true);
  expect((await get()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2');
});

test('going back to an old template takes its replica set up again, under a new revision', async () => {
  await make(2);
  await h.runPods();
  await change({ template: template('nginx:2') });
  await rollOut();
  await change({ template: template('nginx:1') });
  await rollOut();
  expect(await sizes()).toEqual([2, 0]);
  const [first] = (await h.list(ReplicaSet)).filter((s) => s.spec.replicas === 2);
  expect(first?.metadata.annotations).toMatchObject({
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
});

test('takes a replica set over and counts on from its revision, were it beyond what numbers hold', async () => {
  const revision = '3546343826724305832';
  await h.create(ReplicaSet, {
    metadata: { name: 'older', labels: { app: 'web' }, annotations: { 'deployment.kubernetes.io/revision': revision } },
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template('nginx:0') },
  });
  await make(1);
  await rollOut();
  expect(await sizes()).toEqual([0, 1]);
  expect((await get()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3546343826724305833');
});

test.each([
  ['9223372036854775807', undefined],
  ['mine', '1'],
])('comes to rest beside a replica set whose revision is %s', async (revision, next) => {
  await h.create(ReplicaSet, {
    metadata: { name: 'older', labels: { app: 'web' }, annotations: { 'deployment.kubernetes.io/revision': revision } },
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template('nginx:0') },
  });
  await make(1);
  await rollOut();
  const other = (await h.list(ReplicaSet)).find((set) => set.metadata.name !== 'older');
  expect(other?.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe(next);
  expect(other?.metadata.annotations).not.toHaveProperty('deployment.kubernetes.io/revision-history');
  await change({ template: template('nginx:0') });
  await rollOut();
  expect(await sizes()).toEqual([1, 0]);
  const older = (await h.list(ReplicaSet)).find((set) => set.metadata.name === 'older');
  expect(older?.metadata.annotations).toMatchObject({ 'deployment.kubernetes.io/revision': revision });
  expect(older?.metadata.annotations).not.toHaveProperty('deployment.kubernetes.io/revision-history');
});

test('goes back to a revision by annotation, with the annotations that it had', async () => {
  const note = (annotations: Record<string, string>) =>
    h.update(Deployment, 'web', (d) => ({ ...d, metadata: { ...d.metadata, annotations: { ...d.metadata.annotations, ...annotations } } }));
  const back = async (revision: string) => {
    await note({ 'deprecated.deployment.rollback.to': revision });
    await h.settle();
    return (await h.events()).at(-1);
  };
  await make(1);
  await note({ cause: 'first' });
  await h.settle();
  await h.update(Deployment, 'web', (d) => ({
    ...d,
    metadata: { ...d.metadata, annotations: { ...d.metadata.annotations, cause: 'second' } },
    spec: { ...d.spec, template: template('nginx:2') },
  }));
  await h.settle();
  expect(await back('7')).toBe('DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.');
  expect(await back('2')).toBe(
    'DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment "web"',
  );
  await back('0');
  expect(await h.events()).toContain('DeploymentRollback: Rolled back deployment "web" to revision 1');
  const { metadata, spec } = await get();
  expect(spec.template.spec.containers[0]?.image).toBe('nginx:1');
  expect(spec.template.metadata?.labels).toEqual({ app: 'web' });
  expect(metadata.annotations).toEqual({ cause: 'first', 'deployment.kubernetes.io/revision': '3' });
});

test('keeps no more history than it should', async () => {
  await make(1, { revisionHistoryLimit: 1 });
  await h.runPods();
  for (const version of [2, 3, 4]) {
    await change({ template: template(`nginx:${version}`) });
    await rollOut();
    await h.settle(1000);
  }
  expect((await h.list(ReplicaSet)).map((s) => s.spec.template?.spec.containers[0]?.image).sort()).toEqual(['nginx:3', 'nginx:4']);
});

test('Recreate starts new pods only when the last old one is gone', async () => {
  h.api.gracefulKinds.add('Pod');
  await make(2, { strategy: { type: 'Recreate' } });
  await h.runPods();
  await change({ template: template('nginx:2') });
  expect(await sizes()).toEqual([0]);
  for (const pod of await h.pods()) {
    expect((await h.list(ReplicaSet)).length).toBe(1);
    await h.client.delete(Pod, pod.metadata.name, { namespace: 'work', gracePeriodSeconds: 0 });
    await h.settle();
  }
  expect(await sizes()).toEqual([0, 2]);
});

test('a size changed in the middle of a rollout is shared in proportion', async () => {
  await make(10, { strategy: { rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } });
  await h.runPods();
  await change({ template: template('nginx:2') });
  expect(await sizes()).toEqual([8, 5]);
  await change({ replicas: 15 });
  expect(await sizes()).toEqual([11, 7]);
});

test('paused, it takes a new size but no new template; resumed, it rolls out', async () => {
  await make(2);
  await h.runPods();
  await change({ paused: true, template: template('nginx:2') });
  expect(await progress()).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' });
  await change({ replicas: 4 });
  expect(await sizes()).toEqual([4]);
  await h.runPods();
  await change({ paused: false });
  await rollOut();
  expect(await sizes()).toEqual([0, 4]);
});

test('without progress for its deadline it says so, and recovers when the pods come', async () => {
  await make(2, { progressDeadlineSeconds: 60 });
  await h.settle(50_000);
  expect(await progress()).toMatchObject({ reason: 'ReplicaSetUpdated' });
  await h.settle(20_000);
  const [set] = await h.list(ReplicaSet);
  expect(await progress()).toMatchObject({
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: `ReplicaSet "${set?.metadata.name}" has timed out progressing.`,
  });
  await h.runPods();
  expect(await progress()).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
});

test('a replica set of its name that is not its own makes it take another', async () => {
  await make(1);
  const [set] = await h.list(ReplicaSet);
  const name = set?.metadata.name ?? '';
  await h.client.delete(Deployment, 'web', { namespace: 'work' });
  await h.client.delete(ReplicaSet, name, { namespace: 'work' });
  await h.create(ReplicaSet, {
    metadata: { name },
    spec: { replicas: 0, selector: { matchLabels: { app: 'other' } }, template: template('x', { app: 'other' }) },
  });
  await h.settle();
  await make(1);
  await h.settle(1000);
  expect((await get()).status?.collisionCount).toBe(1);
  expect((await h.list(ReplicaSet)).map((s) => s.metadata.name)).toHaveLength(2);
});

test('once settled it writes nothing more', async () => {
  await make(3);
  await h.runPods();
  await h.settle();
  const before = h.api.log.length;
  await h.settle(3_600_000);
  expect(h.api.log.slice(before).filter((l) => !l.startsWith('GET'))).toEqual([]);
});
