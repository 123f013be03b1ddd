/** The workload controllers against the real API server, in one process: its defaults, validation, patches and permissions. */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  DaemonSet,
  Deployment,
  Event,
  Job,
  type KubeObject,
  kinds,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  type Resource,
  StatefulSet,
} from '../../src/api/index.ts';
import { type Client, createClient } from '../../src/client/index.ts';
import { runControllerManager } from '../../src/controllers/index.ts';
import { generateKeyPair } from '../../src/pki/index.ts';
import { parseIpRange, parsePortRange } from '../../src/server/allocation/index.ts';
import { type ClusterApiServer, createClusterApiServer } from '../../src/server/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { seededRandom, systemClock, systemRandom } from '../../src/time/index.ts';

let server: ClusterApiServer;
let admin: Client;
let stop: AbortController;
let manager: Promise<void>;
const namespace = 'work';

const as = (name: string, ...groups: string[]) =>
  createClient(server.localTransport({ name, groups: [...groups, 'system:authenticated'] }));

beforeEach(async () => {
  const key = await generateKeyPair();
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
  server = await createClusterApiServer({
    store: openMemoryStore(),
    clock: systemClock,
    random: seededRandom(1),
    logger,
    metrics: new Registry(),
    kinds,
    authentication: { issuers: ['https://kubernetes.default.svc'], signingKey: key.privateKey, publicKey: key.publicKey },
    services: { ranges: [parseIpRange('10.96.0.0/16')], ports: parsePortRange('30000-32767') },
    advertise: { address: '192.168.0.1', port: 6443 },
  });
  await server.bootstrap();
  admin = as('admin', 'system:masters');
  stop = new AbortController();
  manager = runControllerManager(
    {
      client: as('system:kube-controller-manager'),
      clientFor: (_, account) =>
        as(`system:serviceaccount:kube-system:${account}`, 'system:serviceaccounts', 'system:serviceaccounts:kube-system'),
      clock: systemClock,
      random: systemRandom,
      logger,
    },
    stop.signal,
  );
  await admin.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} });
});
afterEach(async () => {
  stop.abort();
  await manager;
  await server.close();
});

/** The object once it is as wanted; watches, so that nothing is polled. */
async function until<T extends KubeObject>(resource: Resource<T>, name: string, wanted: (object: T) => boolean): Promise<T> {
  const at = resource.namespaced ? { namespace } : {};
  const signal = AbortSignal.timeout(10_000);
  let last: T | undefined;
  try {
    for await (const event of admin.watch(resource, { ...at, fieldSelector: `metadata.name=${name}`, signal })) {
      if (event.type === 'BOOKMARK') continue;
      last = event.object;
      if (event.type !== 'DELETED' && wanted(last)) return last;
    }
  } catch (error) {
    const events = (await admin.list(Event, at)).items.map((e) => `${e.reason}: ${e.message}`);
    throw new Error(`${resource.kind} ${name} did not become as wanted: ${JSON.stringify(last)}; events: ${events.join('; ')}`, {
      cause: error,
    });
  }
  throw new Error('the watch ended');
}

/** Plays scheduler and kubelet for every pod that comes: binds it, and has it run or end. */
async function playKubelet(outcome: 'Running' | 'Succeeded'): Promise<void> {
  try {
    for await (const { type, object } of admin.watch(Pod, { namespace, signal: stop.signal })) {
      if (type === 'BOOKMARK' || type === 'DELETED') continue;
      if (object.metadata.deletionTimestamp) {
        await admin.delete(Pod, object.metadata.name, { namespace, gracePeriodSeconds: 0 }).catch(() => undefined);
      } else if (object.status?.phase === 'Pending') {
        const target = { apiVersion: 'v1', kind: 'Node', name: 'node-1' };
        if (!object.spec.nodeName) {
          await admin.createSubresource(
            Pod,
            object.metadata.name,
            'binding',
            { apiVersion: 'v1', kind: 'Binding', metadata: { name: object.metadata.name }, target },
            { namespace },
          );
        }
        const ready = {
          type: 'Ready',
          status: outcome === 'Running' ? 'True' : 'False',
          lastTransitionTime: new Date().toISOString().replace(/\.\d+/, ''),
        };
        const patch = { status: { phase: outcome, conditions: [ready] } };
        await admin.patch(Pod, object.metadata.name, 'strategic', patch, { namespace, subresource: 'status' }).catch(() => undefined);
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

const labels = { app: 'web' };
const selector = { matchLabels: labels };
const template = (image: string, spec = {}) => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }], ...spec } });

test('a Deployment comes up, rolls on to a new template, and scales', async () => {
  const play = playKubelet('Running');
  const spec = { replicas: 3, selector, template: template('nginx:1') };
  await admin.create(Deployment, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace }, spec });
  const first = await until(Deployment, 'web', (d) => d.status?.availableReplicas === 3);
  expect(first.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('1');
  await admin.patch(Deployment, 'web', 'strategic', { spec: { template: template('nginx:2') } }, { namespace });
  const complete = (d: Deployment, n: number) =>
    d.status?.observedGeneration === d.metadata.generation &&
    d.status?.updatedReplicas === n &&
    d.status.replicas === n &&
    d.status.availableReplicas === n;
  const done = await until(Deployment, 'web', (d) => d.spec.template.spec.containers[0]?.image === 'nginx:2' && complete(d, 3));
  expect(done.status?.conditions?.map((c) => c.reason).sort()).toEqual(['MinimumReplicasAvailable', 'NewReplicaSetAvailable']);
  expect((await admin.list(ReplicaSet, { namespace })).items.map((s) => s.spec.replicas).sort()).toEqual([0, 3]);
  await admin.patch(Deployment, 'web', 'merge', { spec: { replicas: 5 } }, { namespace });
  await until(Deployment, 'web', (d) => complete(d, 5));
  stop.abort();
  await play;
});

test('a Job ends complete, its pods free of the finalizer', async () => {
  const play = playKubelet('Succeeded');
  const spec = { completions: 3, parallelism: 2, template: template('busybox', { restartPolicy: 'Never' }) };
  await admin.create(Job, { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'sums', namespace }, spec });
  const job = await until(Job, 'sums', (j) => j.status?.conditions?.some((c) => c.type === 'Complete') ?? false);
  expect(job.status).toMatchObject({ succeeded: 3, completionTime: expect.any(String) });
  expect((await admin.list(Pod, { namespace })).items.flatMap((p) => p.metadata.finalizers ?? [])).toEqual([]);
  stop.abort();
  await play;
});

test('a StatefulSet and a DaemonSet come up', async () => {
  const play = playKubelet('Running');
  await admin.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: {} });
  // A new node is tainted until it is ready, and daemons wait for that.
  await admin.patch(Node, 'node-1', 'merge', { spec: { taints: null } });
  const daemon = { matchLabels: { app: 'agent' } };
  const agent = { ...template('agent'), metadata: { labels: { app: 'agent' } } };
  await admin.create(DaemonSet, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent', namespace },
    spec: { selector: daemon, template: agent },
  });
  const spec = { replicas: 2, serviceName: 'db', selector, template: template('redis') };
  await admin.create(StatefulSet, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'db', namespace }, spec });
  await until(StatefulSet, 'db', (s) => s.status?.availableReplicas === 2);
  await until(DaemonSet, 'agent', (d) => d.status?.numberAvailable === 1);
  expect((await admin.list(Pod, { namespace, labelSelector: 'app=web' })).items.map((p) => p.metadata.name).sort()).toEqual([
    'db-0',
    'db-1',
  ]);
  stop.abort();
  await play;
});
