import { afterEach, describe, expect, test } from 'vitest';
import { Node, Pod, PodDisruptionBudget } from '../../../api/index.ts';
import { podInfoOf } from '../../cache/pod-info.ts';
import { makeNode, makePod, startCluster, type TestCluster } from '../../testing/test-cluster.ts';
import { byImportance, type Candidate, pickCandidate } from './victims.ts';

const victim = (name: string, priority: number, startTime: string) =>
  podInfoOf(makePod(name, { spec: { priority }, status: { startTime } }));
const early = '2026-01-01T00:00:00Z';
const late = '2026-01-02T00:00:00Z';
const candidate = (nodeName: string, violations: number, ...victims: Candidate['victims']): Candidate => ({
  nodeName,
  violations,
  victims,
});

describe('the node on which preemption does the least harm', () => {
  test.each([
    ['fewest budget violations', candidate('best', 0, victim('a', 9, early)), candidate('other', 1, victim('b', 1, early))],
    [
      'lowest highest priority',
      candidate('best', 0, victim('a', 1, early), victim('b', 1, early)),
      candidate('other', 0, victim('c', 2, early)),
    ],
    [
      'lowest sum of priorities',
      candidate('best', 0, victim('a', 5, early), victim('b', 1, early)),
      candidate('other', 0, victim('c', 5, early), victim('d', 2, early)),
    ],
    ['fewest victims', candidate('best', 0, victim('a', 5, early)), candidate('other', 0, victim('b', 5, early), victim('c', -3, early))],
    ['latest start', candidate('best', 0, victim('a', 5, late)), candidate('other', 0, victim('b', 5, early))],
  ])('%s', (_name, best, other) => {
    expect(pickCandidate([other, best])?.nodeName).toBe('best');
    expect(pickCandidate([best, other])?.nodeName).toBe('best');
  });

  test('importance is priority, then age', () => {
    const pods = [victim('young', 1, late), victim('low', 0, early), victim('old', 1, early)];
    expect(pods.sort(byImportance).map((p) => p.pod.metadata.name)).toEqual(['old', 'young', 'low']);
  });
});

const clusters: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

/** A cluster with one node of 2 CPUs, which pods of this priority fill. */
async function fullNode(fillers: { name: string; labels?: Record<string, string> }[]) {
  const cluster = await startCluster();
  clusters.push(cluster);
  const { client, until } = cluster;
  await client.create(Node, makeNode('n1', { cpu: '2' }));
  for (const { name, labels } of fillers) {
    const parts = { cpu: '1', spec: { priority: 0 }, ...(labels ? { labels } : {}) };
    await client.create(Pod, makePod(name, parts), { namespace: 'default' });
    await until(name, (p) => !!p?.spec.nodeName);
  }
  return cluster;
}

test('a pod of higher priority takes the place of one of lower, which is told why', async () => {
  const { client, until, pod, events } = await fullNode([{ name: 'a' }, { name: 'b' }]);
  await client.create(Pod, makePod('vip', { cpu: '1', spec: { priority: 100 } }), { namespace: 'default' });
  await until('vip', (p) => !!p?.spec.nodeName);
  const vip = await pod('vip');
  expect(vip.spec.nodeName).toBe('n1');
  const left = (await client.list(Pod, { namespace: 'default' })).items.map((p) => p.metadata.name);
  expect(left).toHaveLength(2);
  await expect
    .poll(async () => (await events()).find((e) => e.reason === 'Preempted'))
    .toMatchObject({ type: 'Normal', message: `Preempted by pod ${vip.metadata.uid} on node n1`, involvedObject: { kind: 'Pod' } });
});

test('the victim of a graceful deletion holds its place, and the node is nominated meanwhile', async () => {
  const { api, client, until, pod } = await fullNode([{ name: 'a' }, { name: 'b' }]);
  api.gracefulKinds.add('Pod');
  await client.create(Pod, makePod('vip', { cpu: '2', spec: { priority: 100 } }), { namespace: 'default' });
  await until('a', (p) => !!p?.metadata.deletionTimestamp);
  await until('b', (p) => !!p?.metadata.deletionTimestamp);
  await until('vip', (p) => p?.status?.nominatedNodeName === 'n1');
  expect((await pod('a')).status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }),
  );
  for (const name of ['a', 'b']) await client.delete(Pod, name, { namespace: 'default', gracePeriodSeconds: 0 });
  await until('vip', (p) => p?.spec.nodeName === 'n1');
});

test('a disruption budget turns the choice to others', async () => {
  const { client, until } = await fullNode([{ name: 'guarded', labels: { app: 'db' } }, { name: 'free' }]);
  const budget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'db', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'db' } } },
    status: { disruptionsAllowed: 0 },
  };
  await client.create(PodDisruptionBudget, budget, { namespace: 'default' });
  await client.create(Pod, makePod('vip', { cpu: '1', spec: { priority: 100 } }), { namespace: 'default' });
  await until('vip', (p) => !!p?.spec.nodeName);
  const left = (await client.list(Pod, { namespace: 'default' })).items.map((p) => p.metadata.name);
  expect(left.sort()).toEqual(['guarded', 'vip']);
});

test.each([
  [
    { priority: 0 },
    '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
  ],
  [
    { priority: 100, preemptionPolicy: 'Never' as const },
    '0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.',
  ],
  [
    { priority: 100, nodeSelector: { disk: 'ssd' } },
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
  ],
])('a pod that may not or cannot preempt says so: %o', async (spec, message) => {
  const { client, until, pod } = await fullNode([{ name: 'a' }, { name: 'b' }]);
  await client.create(Pod, makePod('late', { cpu: '1', spec }), { namespace: 'default' });
  await until('late', (p) => p?.status?.conditions?.some((c) => c.type === 'PodScheduled') ?? false);
  expect((await pod('late')).status?.conditions?.[0]).toMatchObject({ status: 'False', reason: 'Unschedulable', message });
});
