/**
 * How many pods a second the scheduler places: `node bench/scheduler.ts [NODES] [PODS]`. Hollow nodes, an API in memory, no
 * other controller; pods are created first, then scheduled, bound and seen bound.
 */
import { arch, cpus, release } from 'node:os';
import { Namespace, Node, Pod, type PodSpec, Service } from '../src/api/index.ts';
import { createClient, createEventBroadcaster, createInformerFactory } from '../src/client/index.ts';
import { createMemoryApi } from '../src/client/testing/memory-api.ts';
import { runScheduler } from '../src/scheduler/index.ts';
import { makeNode, makePod, resources } from '../src/scheduler/testing/test-cluster.ts';
import { systemClock as clock, systemRandom as random } from '../src/time/index.ts';

const nodeCount = Number(process.argv[2] ?? 1000);
const podCount = Number(process.argv[3] ?? 5000);
const labels = { app: 'web' };
const labelSelector = { matchLabels: labels };
const zones = ['a', 'b', 'c'];

const workloads: Record<string, { service?: boolean; spec?: Partial<PodSpec>; count?: number }> = {
  plain: {},
  'behind a service (default spreading)': { service: true },
  'zone spread, hard': {
    spec: {
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector },
      ],
    },
  },
  'host anti-affinity, required': {
    count: Math.min(podCount, nodeCount),
    spec: {
      affinity: {
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector }] },
      },
    },
  },
};

async function measure(service: boolean, spec: Partial<PodSpec> | undefined, count: number): Promise<number> {
  const api = createMemoryApi(clock, resources);
  const client = createClient(api);
  const stopping = new AbortController();
  const { signal } = stopping;
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' }, spec: {} });
  if (service) {
    const metadata = { name: 'web', namespace: 'default' };
    await client.create(Service, { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels } }, { namespace: 'default' });
  }
  for (let i = 0; i < nodeCount; i++) {
    const zone = zones[i % zones.length] ?? '';
    await client.create(Node, makeNode(`node-${i}`, { cpu: '32', memory: '64Gi', labels: { 'topology.kubernetes.io/zone': zone } }));
  }
  for (let i = 0; i < count; i++)
    await client.create(Pod, makePod(`web-${i}`, { cpu: '100m', memory: '64Mi', labels, ...(spec ? { spec } : {}) }), {
      namespace: 'default',
    });

  const informers = createInformerFactory({ client, clock, random });
  const broadcaster = createEventBroadcaster({ client, clock, random });
  const allBound = Promise.withResolvers<void>();
  let bound = 0;
  informers.for(Pod).addHandler({
    update(pod, previous) {
      if (pod.spec.nodeName && !previous.spec.nodeName && ++bound === count) allBound.resolve();
    },
  });
  let started = 0;
  const informing = informers.run(signal);
  const onReady = () => {
    started = performance.now();
  };
  const scheduling = runScheduler({ client, informers, clock, random, broadcaster, onReady }, signal);
  await Promise.race([allBound.promise, scheduling]);
  const seconds = (performance.now() - started) / 1000;
  stopping.abort(new Error('done'));
  broadcaster.close();
  await Promise.allSettled([scheduling, informing]);
  return count / seconds;
}

const rows: Record<string, string | number>[] = [];
for (const [workload, { service = false, spec, count = podCount }] of Object.entries(workloads)) {
  rows.push({ workload, nodes: nodeCount, pods: count, 'pods/s': Math.round(await measure(service, spec, count)) });
}
console.log(`${cpus().length} × ${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.version}`);
console.table(rows);
