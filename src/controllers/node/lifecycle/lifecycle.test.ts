import { afterEach, beforeEach, expect, test } from 'vitest';
import { Lease, Namespace, Node, Pod } from '../../../api/index.ts';
import { podGarbageCollector } from '../../pod-garbage-collector.ts';
import { startCluster, type TestCluster } from '../../testing/cluster.ts';
import { taintEvictionController, tolerationSeconds } from '../taint-eviction.ts';
import { nodeLifecycleController } from './index.ts';
import { zoneState } from './zones.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([nodeLifecycleController, taintEvictionController, podGarbageCollector], { terminatedPodGcThreshold: 1 });
  await c.create(Namespace, { metadata: { name: 'kube-node-lease' }, spec: {} });
  await readyNode('a');
  await readyNode('b');
  await c.settle();
});
afterEach(() => c.stop());

async function readyNode(name: string) {
  await c.node(name, { labels: { 'kubernetes.io/os': 'linux' } });
  const lease = { metadata: { name, namespace: 'kube-node-lease' }, spec: { holderIdentity: name, renewTime: micro() } };
  await c.client.create(Lease, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...lease }, { namespace: 'kube-node-lease' });
  await c.status(Node, name, { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date(c.clock.now()).toISOString() }] });
}
const micro = () => new Date(c.clock.now()).toISOString().replace('Z', '000Z');
const renew = (name: string) => c.client.patch(Lease, name, 'merge', { spec: { renewTime: micro() } }, { namespace: 'kube-node-lease' });
/** Lets time pass while these nodes' kubelets live. */
const live = async (seconds: number, ...names: string[]) => {
  for (let t = 0; t < seconds; t += 10) {
    await Promise.all(names.map(renew));
    await c.settle(10_000);
  }
};
const taints = async (name: string) => (await c.get(Node, name)).spec.taints?.map((t) => `${t.key}:${t.effect}`).sort() ?? [];
const ready = async (name: string) => (await c.get(Node, name)).status?.conditions?.find((x) => x.type === 'Ready');

test('a node that falls silent is unknown, tainted, and its pods are not ready, then evicted', async () => {
  const tolerations = ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 300,
  }));
  await c.runPod('p', { node: 'b', spec: { tolerations } });
  await live(120, 'a', 'b');
  expect((await ready('b'))?.status).toBe('True');
  await live(60, 'a');
  expect(await ready('b')).toMatchObject({
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  });
  expect(await taints('b')).toEqual(['node.kubernetes.io/unreachable:NoExecute', 'node.kubernetes.io/unreachable:NoSchedule']);
  expect((await c.get(Pod, 'p')).status?.conditions?.find((x) => x.type === 'Ready')?.status).toBe('False');
  const events = await c.events();
  expect(events).toContain('RegisteredNode: Node b event: Registered Node b in Controller');
  expect(events).toContain('NodeNotReady: Node b status is now: NodeNotReady');
  expect(events).toContain('NodeNotReady: Node is not ready');
  expect((await c.get(Pod, 'p')).metadata.deletionTimestamp).toBeUndefined();
  await live(310, 'a');
  const evicted = await c.get(Pod, 'p');
  expect(evicted.metadata.deletionTimestamp).toBeDefined();
  expect(evicted.status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'DisruptionTarget', reason: 'DeletionByTaintManager' }),
  );
  expect(await c.events()).toContain('TaintManagerEviction: Marking for deletion Pod work/p');
  expect(await taints('a')).toEqual([]);
});

test('a node that comes back loses its taints, and an eviction that waited is cancelled', async () => {
  await c.runPod('p', { node: 'b', spec: { tolerations: [{ operator: 'Exists', tolerationSeconds: 300, effect: 'NoExecute' }] } });
  await live(70, 'a');
  expect(await taints('b')).toHaveLength(2);
  await c.status(Node, 'b', { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date(c.clock.now()).toISOString() }] });
  await live(600, 'a', 'b');
  expect(await taints('b')).toEqual([]);
  expect((await c.get(Pod, 'p')).metadata.deletionTimestamp).toBeUndefined();
  expect(await c.events()).toContain('TaintManagerEviction: Cancelling deletion of Pod work/p');
});

test('when every node is silent nothing is evicted', async () => {
  await c.runPod('p', { node: 'b' });
  await c.settle(600_000);
  for (const name of ['a', 'b']) expect(await taints(name)).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
  expect((await c.get(Pod, 'p')).metadata.deletionTimestamp).toBeUndefined();
});

test('conditions and cordons become taints; old labels follow new ones', async () => {
  await c.status(Node, 'a', {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'MemoryPressure', status: 'True' },
    ],
  });
  await c.update(Node, 'a', (n) => ({ ...n, spec: { ...n.spec, unschedulable: true } }));
  await c.settle();
  expect(await taints('a')).toEqual(['node.kubernetes.io/memory-pressure:NoSchedule', 'node.kubernetes.io/unschedulable:NoSchedule']);
  expect((await c.get(Node, 'a')).metadata.labels).toMatchObject({ 'beta.kubernetes.io/os': 'linux' });
  await c.update(Node, 'a', (n) => ({ ...n, spec: { ...n.spec, unschedulable: false } }));
  await c.settle();
  expect(await taints('a')).toEqual(['node.kubernetes.io/memory-pressure:NoSchedule']);
});

test('pods of a node that is gone, unscheduled ones that end, and surplus finished ones are removed', async () => {
  await c.runPod('lost', { node: 'b' });
  const held = { node: 'b', metadata: { finalizers: ['example.com/x'] } };
  await c.runPod('held', held);
  await c.runPod('finished', held);
  await c.status(Pod, 'finished', { phase: 'Failed' });
  await c.runPod('done-1', { node: 'a' });
  await c.status(Pod, 'done-1', { phase: 'Succeeded' });
  await c.settle(2000);
  await c.runPod('done-2', { node: 'a' });
  await c.status(Pod, 'done-2', { phase: 'Succeeded' });
  await c.create(Pod, {
    metadata: { name: 'pending', finalizers: ['example.com/x'] },
    spec: { containers: [{ name: 'm', image: 'i' }] } as never,
  });
  await c.client.delete(Node, 'b');
  await c.client.delete(Pod, 'pending', { namespace: 'work' });
  await live(60, 'a');
  expect((await c.list(Pod)).map((p) => p.metadata.name)).toEqual(['done-2', 'finished', 'held', 'pending']);
  const disruption = async (name: string) =>
    (await c.get(Pod, name)).status?.conditions?.find((d) => d.type === 'DisruptionTarget')?.reason;
  expect(await disruption('held')).toBe('DeletionByPodGC');
  // It had ended by itself.
  expect(await disruption('finished')).toBeUndefined();
  expect((await c.get(Pod, 'pending')).status?.phase).toBe('Failed');
});

test('a pod may stay as long as the shortest toleration that it needs', () => {
  const taint = (key: string) => ({ key, effect: 'NoExecute' as const });
  const [a, b] = [taint('a'), taint('b')];
  expect(tolerationSeconds([], [])).toBe(Number.POSITIVE_INFINITY);
  expect(tolerationSeconds([a, b], [{ key: 'a', operator: 'Exists' }])).toBe(0);
  expect(
    tolerationSeconds(
      [a, b],
      [
        { key: 'a', operator: 'Exists', tolerationSeconds: 60 },
        { key: 'b', operator: 'Exists' },
      ],
    ),
  ).toBe(60);
  expect(tolerationSeconds([a], [{ operator: 'Exists' }])).toBe(Number.POSITIVE_INFINITY);
});

test('a zone is disrupted when most of it is', () => {
  expect([zoneState(0, 1, 0.55), zoneState(1, 2, 0.55), zoneState(2, 3, 0.55), zoneState(9, 1, 0.55)]).toEqual([
    'FullDisruption',
    'Normal',
    'PartialDisruption',
    'Normal',
  ]);
});
