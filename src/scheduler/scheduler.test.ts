import { afterEach, expect, test } from 'vitest';
import { Node, Pod } from '../api/index.ts';
import { makeNode, makePod, startCluster, type TestCluster } from './testing/test-cluster.ts';

const clusters: TestCluster[] = [];
const start = async (...args: Parameters<typeof startCluster>) => {
  const cluster = await startCluster(...args);
  clusters.push(cluster);
  return cluster;
};
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

const isBound = (pod: Pod | undefined) => !!pod?.spec.nodeName;
const scheduledCondition = (pod: Pod | undefined) => pod?.status?.conditions?.find((c) => c.type === 'PodScheduled');

test('a pod that fits is bound, with an event that says so', async () => {
  const { client, until, pod, events } = await start();
  await client.create(Node, makeNode('n1'));
  await client.create(Pod, makePod('web', { cpu: '1' }), { namespace: 'default' });
  await until('web', isBound);
  expect((await pod('web')).spec.nodeName).toBe('n1');
  await expect.poll(events).toMatchObject([
    {
      reason: 'Scheduled',
      type: 'Normal',
      message: 'Successfully assigned default/web to n1',
      source: { component: 'default-scheduler' },
    },
  ]);
});

test('a pod that does not fit says why, and is bound when room comes', async () => {
  const { client, until, pod, events } = await start();
  await client.create(Node, makeNode('small', { cpu: '1' }));
  await client.create(Node, makeNode('tainted', { spec: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] } }));
  await client.create(Pod, makePod('web', { cpu: '2' }), { namespace: 'default' });
  await until('web', (p) => scheduledCondition(p) !== undefined);
  const { status, reason, message } = scheduledCondition(await pod('web')) ?? {};
  expect({ status, reason }).toEqual({ status: 'False', reason: 'Unschedulable' });
  expect(message).toMatch(
    /^0\/2 nodes are available: 1 Insufficient cpu, 1 node\(s\) had untolerated taint {node.kubernetes.io\/not-ready: }\./,
  );
  await expect.poll(events).toMatchObject([{ reason: 'FailedScheduling', type: 'Warning', message }]);
  await client.create(Node, makeNode('large'));
  await until('web', isBound);
  expect((await pod('web')).spec.nodeName).toBe('large');
});

test('without nodes a pod waits, and the first node gets it', async () => {
  const { client, until, pod } = await start();
  await client.create(Pod, makePod('web'), { namespace: 'default' });
  await until('web', (p) => scheduledCondition(p)?.message === 'no nodes available to schedule pods');
  await client.create(Node, makeNode('n1'));
  await until('web', isBound);
  expect((await pod('web')).spec.nodeName).toBe('n1');
});

test('pods of another scheduler are left alone', async () => {
  const { client, until, pod } = await start();
  await client.create(Node, makeNode('n1'));
  await client.create(Pod, makePod('theirs', { spec: { schedulerName: 'other' } }), { namespace: 'default' });
  await client.create(Pod, makePod('ours'), { namespace: 'default' });
  await until('ours', isBound);
  expect((await pod('theirs')).spec.nodeName).toBeUndefined();
});
