import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigMap, Deployment, type Draft, Endpoints, Lease, Node, Pod } from '../../src/api/index.ts';
import { eventually } from '../support/wait.ts';
import { type ControlPlanes, startControlPlanes } from './control-planes.ts';
import { type Load, startLoad, startWatch, type Watch } from './load.ts';

const namespace = 'default';

describe.runIf(spawnSync('etcd', ['--version']).status === 0)('two control planes on three etcds, under load', () => {
  let planes: ControlPlanes;
  let load: Load;
  let watches: Watch[];
  const times: [what: string, ms: number][] = [];

  const deployment = (name: string): Draft<Deployment> => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        // The node has no kubelet that would say that it is ready.
        spec: { containers: [{ name: 'c', image: 'i' }], tolerations: [{ operator: 'Exists' }] },
      },
    },
  });

  /** From the wish for a pod to the pod with a node: controllers and scheduler both have acted. */
  const deploy = async (name: string, server: number): Promise<number> => {
    const begin = performance.now();
    await planes.clientOf(server).create(Deployment, deployment(name), { namespace });
    await eventually(`a pod of ${name} has a node`, async () => {
      const pods = await planes.clientOf(server).list(Pod, { namespace, labelSelector: `app=${name}` });
      return pods.items.some((pod) => pod.spec.nodeName);
    });
    return performance.now() - begin;
  };

  beforeAll(async () => {
    planes = await startControlPlanes();
    const node: Draft<Node> = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node' },
      spec: {},
      status: { allocatable: { cpu: '64', memory: '256Gi', pods: '110' }, capacity: { cpu: '64', memory: '256Gi', pods: '110' } },
    };
    await planes.clientOf(0).create(Node, node);
    const clients = [planes.clientOf(0), planes.clientOf(1)];
    watches = await Promise.all([startWatch(clients, 0), startWatch(clients, 1)]);
    load = await startLoad(clients);
    times.push(['a pod from nothing, all well', await deploy('before', 1)]);
  }, 90_000);

  afterAll(async () => {
    await load?.stop();
    await Promise.all((watches ?? []).map((watch) => watch.stop()));
    await planes?.stop();
    for (const [what, ms] of times) console.log(`${what.padEnd(64)} ${(ms / 1000).toFixed(2).padStart(6)} s`);
  });

  test('each of the etcds may be killed', async () => {
    for (const [i, member] of planes.etcd.entries()) {
      load.longestSilenceMs();
      const before = load.acknowledged.size;
      await member.kill();
      await eventually('writes go on', () => load.acknowledged.size > before + 10);
      times.push([`writes stood still when etcd ${i} was killed`, load.longestSilenceMs()]);
      await member.restart();
    }
  });

  test('an API server may be killed', async () => {
    load.longestSilenceMs();
    const before = load.acknowledged.size;
    await planes.apiServers[0]?.kill();
    await eventually('writes go on', () => load.acknowledged.size > before + 10);
    times.push(['writes stood still when an API server was killed', load.longestSilenceMs()]);
    times.push(['a pod from nothing, first API server dead', await deploy('without-api', 1)]);
    planes.apiServers[0]?.start();
    await eventually('it is back', async () => (await planes.clientOf(0).raw('GET', '/readyz')) === 'ok');
  });

  for (const lease of ['kube-controller-manager', 'kube-scheduler']) {
    test(`the leading ${lease} may be killed`, async () => {
      const client = planes.clientOf(1);
      const leader = await eventually('somebody leads', () => planes.leaderOf(lease, client));
      await leader.kill();
      times.push([`a pod from nothing, ${lease} just killed`, await deploy(`without-${lease}`, 1)]);
      const successor = await planes.leaderOf(lease, client);
      expect(successor?.name).not.toBe(leader.name);
      leader.start();
    });
  }

  test('a leader that stands still acts no more when it wakes up', async () => {
    const client = planes.clientOf(1);
    const leader = await eventually('somebody leads', () => planes.leaderOf('kube-controller-manager', client));
    leader.child.kill('SIGSTOP');
    await eventually('another leads', async () => {
      const now = await planes.leaderOf('kube-controller-manager', client);
      return now !== undefined && now !== leader;
    });
    const exited = new Promise<number | null>((resolve) => leader.child.once('exit', resolve));
    leader.child.kill('SIGCONT');
    expect(await exited).toBe(1);
    expect(planes.logOf(leader)).toContain('leader election lost');
  });

  test('a leader that is told to stop gives its lease away', async () => {
    const client = planes.clientOf(1);
    const leader = await eventually('somebody leads', () => planes.leaderOf('kube-scheduler', client));
    const lease = await client.get(Lease, 'kube-scheduler', { namespace: 'kube-system' });
    const { holderIdentity } = lease.spec;
    const after = {
      namespace: 'kube-system',
      fieldSelector: 'metadata.name=kube-scheduler',
      resourceVersion: lease.metadata.resourceVersion,
    };
    const watch = client.watch(Lease, after);
    const begin = performance.now();
    leader.child.kill('SIGTERM');
    const next: (string | undefined)[] = [];
    for await (const event of watch) {
      if (event.type === 'BOOKMARK' || event.object.spec.holderIdentity === holderIdentity) continue;
      next.push(event.object.spec.holderIdentity);
      // Nobody has it, and then whoever asks first, which may be the same one, started again.
      if (next.length === 2) break;
    }
    expect(next).toEqual(['', expect.stringMatching(/./)]);
    times.push(['a scheduler leads after a graceful stop of the leading one', performance.now() - begin]);
  });

  test('the Service kubernetes leads to both API servers', async () => {
    await eventually('both addresses', async () => {
      const { subsets } = await planes.clientOf(0).get(Endpoints, 'kubernetes', { namespace });
      return subsets?.[0]?.addresses?.map((a) => a.ip).join() === '192.0.2.1,192.0.2.2';
    });
  });

  test('nothing that was answered is lost, and watches missed and repeated nothing', async () => {
    await load.stop();
    const { items } = await planes.clientOf(1).list(ConfigMap, { namespace, labelSelector: 'load=ha' });
    const kept = new Map(items.map(({ metadata }) => [metadata.name, Number(metadata.resourceVersion)]));
    expect(load.acknowledged.size).toBeGreaterThan(100);
    for (const [name, revision] of load.acknowledged) expect(kept.get(name), name).toBe(revision);
    const counter = await planes.clientOf(0).get(ConfigMap, 'counter', { namespace });
    // An update may have been done though its answer was lost, never the other way round.
    expect(Number(counter.data?.n)).toBeGreaterThanOrEqual(load.increments);
    for (const watch of watches) {
      await eventually('the watch has seen the last', () => watch.seen.length >= kept.size || watch.problems.length > 0);
      expect(watch.problems).toEqual([]);
      expect(new Map(watch.seen.map(({ name, revision }) => [name, revision]))).toEqual(kept);
      expect(watch.seen).toHaveLength(kept.size);
    }
  });
});
