import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControllerRevision, DaemonSet, Node, sortedKeys } from '../../api/index.ts';
import { type Harness, selector, startControllers, template } from '../testing/harness.ts';
import { daemonSetController } from './index.ts';
import { nodeOf } from './plan.ts';

let h: Harness;
beforeEach(async () => {
  h = await startControllers(daemonSetController);
});
afterEach(() => h.stop());

const node = async (name: string, spec: Node['spec'] = {}, labels: Record<string, string> = {}) => {
  await h.create(Node, { metadata: { name, labels }, spec });
  await h.settle();
};
const make = async (spec = {}) => {
  await h.create(DaemonSet, { metadata: { name: 'agent' }, spec: { selector, template: template(), revisionHistoryLimit: 10, ...spec } });
  await h.settle();
};
const placed = async () =>
  (await h.pods())
    .filter((p) => !p.metadata.deletionTimestamp)
    .map(nodeOf)
    .sort();
const images = async () => (await h.pods()).map((p) => `${nodeOf(p)} ${p.spec.containers[0]?.image}`).sort();

test('puts one pod on each node, also on one that comes later, pinned by affinity and tolerating trouble', async () => {
  await node('a');
  await make();
  await node('b');
  expect(await placed()).toEqual(['a', 'b']);
  const [pod] = await h.pods();
  expect(pod?.spec.nodeName).toBeUndefined();
  expect(pod?.spec.tolerations).toContainEqual({ key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' });
  await h.runPods();
  expect((await h.get(DaemonSet, 'agent')).status).toMatchObject({
    desiredNumberScheduled: 2,
    currentNumberScheduled: 2,
    numberReady: 2,
    numberAvailable: 2,
    updatedNumberScheduled: 2,
    numberMisscheduled: 0,
  });
});

test('leaves out nodes that its selector or its tolerations do not fit, and follows their changes', async () => {
  await node('plain');
  await node('gpu', {}, { gpu: 'yes' });
  await node('tainted', { taints: [{ key: 'k', effect: 'NoSchedule' }] }, { gpu: 'yes' });
  await node(
    'cordoned',
    { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] },
    { gpu: 'yes' },
  );
  const t = template();
  await make({ template: { ...t, spec: { ...t.spec, nodeSelector: { gpu: 'yes' } } } });
  expect(await placed()).toEqual(['cordoned', 'gpu']);
  await h.update(Node, 'gpu', (n) => ({ ...n, metadata: { ...n.metadata, labels: {} } }));
  await h.settle();
  expect(await placed()).toEqual(['cordoned']);
  await h.update(Node, 'tainted', (n) => ({ ...n, spec: {} }));
  await h.settle();
  expect(await placed()).toEqual(['cordoned', 'tainted']);
});

test('a rolling update replaces one node at a time', async () => {
  for (const name of ['a', 'b', 'c']) await node(name);
  await make();
  await h.runPods();
  await h.update(DaemonSet, 'agent', (d) => ({ ...d, spec: { ...d.spec, template: template('nginx:2') } }));
  await h.settle();
  for (const updated of [1, 2, 3]) {
    expect((await images()).filter((i) => i.endsWith('nginx:2'))).toHaveLength(updated);
    expect((await h.pods()).filter((p) => p.status?.phase === 'Running')).toHaveLength(2);
    await h.runPods();
    await h.settle();
  }
  expect((await h.get(DaemonSet, 'agent')).status?.updatedNumberScheduled).toBe(3);
  const revisions = await h.list(ControllerRevision);
  expect(revisions).toHaveLength(2);
  // kubectl compares their bytes with what Go writes of a map.
  for (const { data } of revisions) expect(JSON.stringify(data)).toBe(JSON.stringify(sortedKeys(data)));
});

test('with a surge the old pod stays until the new one is available', async () => {
  await node('a');
  await make({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
  await h.runPods();
  await h.update(DaemonSet, 'agent', (d) => ({ ...d, spec: { ...d.spec, template: template('nginx:2') } }));
  await h.settle();
  expect(await images()).toEqual(['a nginx:1', 'a nginx:2']);
  await h.runPods();
  await h.settle();
  expect(await images()).toEqual(['a nginx:2']);
});

test('OnDelete changes a pod only when somebody deletes it', async () => {
  await node('a');
  await make({ updateStrategy: { type: 'OnDelete' } });
  await h.runPods();
  await h.update(DaemonSet, 'agent', (d) => ({ ...d, spec: { ...d.spec, template: template('nginx:2') } }));
  await h.settle();
  expect(await images()).toEqual(['a nginx:1']);
});

test('a pod that fails is replaced, with growing delays', async () => {
  await node('a');
  await make();
  const made = async () => (await h.events()).filter((e) => e.startsWith('SuccessfulCreate')).length;
  for (const [failures, delay] of [
    [1, 0],
    [2, 1000],
    [3, 2000],
  ] as const) {
    const [pod] = await h.pods();
    await h.finishPod(pod?.metadata.name ?? '', 'Failed');
    if (delay > 0) {
      await h.settle(delay - 100);
      expect(await made()).toBe(failures);
    }
    await h.settle(delay > 0 ? 100 : 0);
    expect(await made()).toBe(failures + 1);
  }
});

test('a pod that has ended well is replaced at once, and it is said so', async () => {
  await node('a');
  await make();
  const [pod] = await h.pods();
  await h.finishPod(pod?.metadata.name ?? '', 'Succeeded');
  await h.settle();
  const where = `Found succeeded daemon pod work/${pod?.metadata.name} on node a, will try to delete it`;
  expect(await h.events()).toContain(`SucceededDaemonPod: ${where}`);
  expect(await placed()).toEqual(['a']);
});

test('with a surge an old pod that is of no use goes as soon as there is a new one', async () => {
  await node('a');
  await make({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
  await h.update(DaemonSet, 'agent', (d) => ({ ...d, spec: { ...d.spec, template: template('nginx:2') } }));
  await h.settle();
  expect(await images()).toEqual(['a nginx:2']);
});

test('status goes by the oldest pod of a node, and updates reach pods that may stay but would not be put there', async () => {
  h.api.gracefulKinds.add('Pod');
  await node('a');
  await make();
  await h.runPods();
  await h.update(Node, 'a', (n) => ({ ...n, spec: { taints: [{ key: 'k', effect: 'NoSchedule' as const }] } }));
  await h.settle();
  expect((await h.get(DaemonSet, 'agent')).status).toMatchObject({ desiredNumberScheduled: 0, numberMisscheduled: 1 });
  await h.update(DaemonSet, 'agent', (d) => ({ ...d, spec: { ...d.spec, template: template('nginx:2') } }));
  await h.settle();
  expect(await placed()).toEqual([]);
});
