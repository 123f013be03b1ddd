import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { Node, Pod, StatusError } from '../api/index.ts';
import type { Handle, PluginFactory } from './framework/handle.ts';
import { status } from './framework/status.ts';
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
  expect(message).toMatch(/^0\/2 nodes are available: 1 Insufficient cpu, 1 node\(s\) had untolerated taint\(s\)\./);
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

test('a gated pod waits for its gates to go', async () => {
  const { client, until, pod, events } = await start();
  await client.create(Node, makeNode('n1'));
  const gated = makePod('gated', { spec: { schedulingGates: [{ name: 'example.com/wait' }] } });
  await client.create(Pod, gated, { namespace: 'default' });
  await client.create(Pod, makePod('open'), { namespace: 'default' });
  await until('open', isBound);
  const waiting = await pod('gated');
  expect(waiting.spec.nodeName).toBeUndefined();
  await client.update(Pod, { ...waiting, spec: { ...waiting.spec, schedulingGates: [] } });
  await until('gated', isBound);
  expect((await events()).filter((e) => e.reason === 'FailedScheduling')).toEqual([]);
});

test('a binding that the server refuses is taken back and tried again after a back-off', async () => {
  const { api, client, until, pod } = await start({ config: { podInitialBackoffSeconds: 0.01 } });
  let refusals = 1;
  api.intercept = ({ path }) => {
    if (path.endsWith('/binding') && refusals-- > 0) throw new StatusError(500, 'InternalError', 'Internal error occurred: no luck');
  };
  await client.create(Node, makeNode('n1', { cpu: '1' }));
  // Only one of its size fits: the second try finds room only if the first was taken back.
  await client.create(Pod, makePod('web', { cpu: '1' }), { namespace: 'default' });
  await until('web', isBound);
  expect((await pod('web')).spec.nodeName).toBe('n1');
});

test('pods are never placed beyond what a node has, however fast they come', async () => {
  const { client, until } = await start();
  for (const name of ['n1', 'n2']) await client.create(Node, makeNode(name, { cpu: '5' }));
  const names = Array.from({ length: 10 }, (_, i) => `p${i}`);
  await Promise.all(names.map((name) => client.create(Pod, makePod(name, { cpu: '1' }), { namespace: 'default' })));
  for (const name of names) await until(name, isBound);
  const { items } = await client.list(Pod);
  expect(Map.groupBy(items, (p) => p.spec.nodeName).get('n1')).toHaveLength(5);
});

test('a profile chooses its plugins, and Permit holds a pod until it is allowed', async () => {
  const held: { uid: string; handle: Handle }[] = [];
  const hold: PluginFactory = (_args, handle) => ({
    name: 'Hold',
    permit(_state, { pod }) {
      held.push({ uid: pod.metadata.uid, handle });
      return { status: status('Hold', 'Wait'), timeoutMs: 60_000 };
    },
  });
  const profile = {
    schedulerName: 'careful',
    plugins: { multiPoint: { enabled: [{ name: 'Hold' }], disabled: [{ name: 'NodeResourcesFit' }] } },
  };
  const { client, until, pod } = await start({ plugins: { Hold: hold }, config: { profiles: [profile] } });
  await client.create(Node, makeNode('n1', { cpu: '1' }));
  await client.create(Pod, makePod('large', { cpu: '64', spec: { schedulerName: 'careful' } }), { namespace: 'default' });
  await expect.poll(() => held.length).toBe(1);
  expect((await pod('large')).spec.nodeName).toBeUndefined();
  for (const { uid, handle } of held) handle.allowWaitingPod(uid, 'Hold');
  await until('large', isBound);
});

test('metrics have upstream names', async () => {
  const metrics = new Registry();
  const { client, until } = await start({ metrics });
  await client.create(Node, makeNode('n1', { cpu: '1' }));
  await client.create(Pod, makePod('small', { cpu: '1' }), { namespace: 'default' });
  await until('small', isBound);
  await client.create(Pod, makePod('large', { cpu: '2' }), { namespace: 'default' });
  await until('large', (p) => scheduledCondition(p) !== undefined);
  await expect
    .poll(() => metrics.metrics())
    .toContain('scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 1');
  const text = await metrics.metrics();
  expect(text).toContain('scheduler_schedule_attempts_total{result="unschedulable",profile="default-scheduler"} 1');
  expect(text).toContain('scheduler_pending_pods{queue="unschedulable"} 1');
  expect(text).toContain('scheduler_scheduling_attempt_duration_seconds_count{result="scheduled",profile="default-scheduler"} 1');
});
