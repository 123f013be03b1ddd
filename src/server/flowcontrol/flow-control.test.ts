import { pino } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigMap, FlowSchema, type KubeObject, kinds, Namespace, PriorityLevelConfiguration, type Resource } from '../../api/index.ts';
import { type Client, createClient } from '../../client/index.ts';
import { generateKeyPair } from '../../pki/index.ts';
import { openMemoryStore } from '../../store/index.ts';
import { seededRandom, systemClock } from '../../time/index.ts';
import { parseIpRange, parsePortRange } from '../allocation/index.ts';
import { type ClusterApiServer, createClusterApiServer } from '../cluster-api-server.ts';
import type { FlowControlOptions } from './index.ts';

let server: ClusterApiServer;
let admin: Client;
let metrics: MetricsRegistry;

const clientOf = (name: string, ...groups: string[]) =>
  createClient(server.localTransport({ name, groups: [...groups, 'system:authenticated'] }));

async function start(flowControl: FlowControlOptions): Promise<void> {
  const key = await generateKeyPair();
  metrics = new MetricsRegistry();
  server = await createClusterApiServer({
    store: openMemoryStore(),
    clock: systemClock,
    random: seededRandom(1),
    logger: pino({ level: 'silent' }),
    metrics,
    kinds,
    flowControl,
    authorization: { authorizers: [{ type: 'AlwaysAllow', name: 'alwaysallow' }] },
    authentication: { issuers: ['https://kubernetes.default.svc.cluster.local'], signingKey: key.privateKey, publicKey: key.publicKey },
    services: { ranges: [parseIpRange('10.96.0.0/16')], ports: parsePortRange('30000-32767') },
    advertise: { address: '192.168.0.1', port: 6443 },
  });
  await server.bootstrap();
  admin = clientOf('admin', 'system:masters');
}

/** The first state of an object that is as it should be. */
async function eventually<T extends KubeObject>(resource: Resource<T>, name: string, fits: (object: T) => boolean): Promise<T> {
  const signal = AbortSignal.timeout(5000);
  for await (const event of admin.watch(resource, { signal }))
    if (event.type !== 'BOOKMARK' && event.type !== 'DELETED' && event.object.metadata.name === name && fits(event.object))
      return event.object;
  throw new Error(`${name} did not become what it should be`);
}

const loopback = { name: 'admin', groups: ['system:masters'] };
const asked = (name: string) => ({
  method: 'GET',
  path: `/debug/api_priority_and_fairness/${name}`,
  query: new URLSearchParams(),
});

const rule = {
  subjects: [{ kind: 'User', user: { name: 'mallory' } }],
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
};
const schemaFor = (level: string) => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'FlowSchema',
  metadata: { name: 'mallory' },
  spec: { priorityLevelConfiguration: { name: level }, matchingPrecedence: 50, rules: [rule] },
});
/** No shares at all, and nobody may wait. */
const closedLevel = {
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'PriorityLevelConfiguration',
  metadata: { name: 'closed' },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: 0, limitResponse: { type: 'Reject' } } },
};

describe('priority and fairness', () => {
  beforeEach(() => start({}));
  afterEach(() => server.close());

  it('begins with the objects that upstream begins with, none of them dangling', async () => {
    const schemas = (await admin.list(FlowSchema)).items;
    expect(schemas.map(({ metadata }) => metadata.name)).toEqual([
      'catch-all',
      'endpoint-controller',
      'exempt',
      'global-default',
      'kube-controller-manager',
      'kube-scheduler',
      'kube-system-service-accounts',
      'probes',
      'service-accounts',
      'system-leader-election',
      'system-node-high',
      'system-nodes',
      'workload-leader-election',
    ]);
    for (const { metadata, status } of schemas) {
      expect(metadata.annotations).toEqual({ 'apf.kubernetes.io/autoupdate-spec': 'true' });
      expect(status?.conditions).toMatchObject([{ type: 'Dangling', status: 'False', reason: 'Found' }]);
    }
    expect((await admin.list(PriorityLevelConfiguration)).items).toHaveLength(8);
  });

  it('keeps what is mandatory, and leaves alone what an administrator has made his own', async () => {
    const { uid } = (await admin.get(FlowSchema, 'catch-all')).metadata;
    await admin.delete(FlowSchema, 'catch-all');
    await eventually(FlowSchema, 'catch-all', ({ metadata }) => metadata.uid !== uid);
    await admin.patch(FlowSchema, 'global-default', 'merge', { spec: { matchingPrecedence: 9901 } });
    await eventually(FlowSchema, 'global-default', ({ spec, metadata }) => spec.matchingPrecedence === 9900 && metadata.generation === 3);
    await admin.patch(FlowSchema, 'global-default', 'merge', {
      metadata: { annotations: { 'apf.kubernetes.io/autoupdate-spec': 'false' } },
      spec: { matchingPrecedence: 9902 },
    });
    await admin.delete(FlowSchema, 'probes');
    await eventually(FlowSchema, 'probes', () => true);
    expect((await admin.get(FlowSchema, 'global-default')).spec.matchingPrecedence).toBe(9902);
  });

  it('says that a schema dangles, and until its level is there the next schema that matches counts', async () => {
    await admin.create(FlowSchema, schemaFor('closed'));
    const dangling = await eventually(FlowSchema, 'mallory', ({ status }) => status?.conditions?.[0]?.status === 'True');
    expect(dangling.status?.conditions?.[0]).toMatchObject({
      type: 'Dangling',
      reason: 'NotFound',
      message: 'This FlowSchema references the PriorityLevelConfiguration object named "closed" but there is no such object',
    });
    const mallory = clientOf('mallory');
    await mallory.list(ConfigMap, { namespace: 'default' });
    await admin.create(PriorityLevelConfiguration, closedLevel);
    await eventually(FlowSchema, 'mallory', ({ status }) => status?.conditions?.[0]?.status === 'False');
    // One at a time may pass even a level without seats; the second is refused.
    const both = await Promise.allSettled([1, 2].map(() => mallory.list(ConfigMap, { namespace: 'default' })));
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect((both[1] as PromiseRejectedResult).reason).toMatchObject({
      code: 429,
      status: { reason: 'TooManyRequests', details: { retryAfterSeconds: 1 } },
    });
    const text = await metrics.metrics();
    expect(text).toContain(
      'apiserver_flowcontrol_rejected_requests_total{priority_level="closed",flow_schema="mallory",reason="concurrency-limit"} 1',
    );
    expect(text).toContain('apiserver_flowcontrol_dispatched_requests_total{priority_level="closed",flow_schema="mallory"} 1');
    for (const line of [
      'nominal_limit_seats{priority_level="system"} 74',
      'lower_limit_seats{priority_level="system"} 50',
      'upper_limit_seats{priority_level="system"} 674',
      'target_seats{priority_level="system"} ',
      'seat_fair_frac ',
      'demand_seats_high_watermark{priority_level="system"} ',
      'current_inqueue_seats{priority_level="closed",flow_schema="mallory"} 0',
      'work_estimated_seats_bucket{priority_level="closed",flow_schema="mallory",le="100"} 2',
      'priority_level_seat_utilization_bucket{priority_level="system",phase="executing",le="0.99"} ',
      'priority_level_request_utilization_count{priority_level="system",phase="waiting"} ',
      'read_vs_write_current_requests_sum{phase="executing",request_kind="mutating"} ',
      'demand_seats_count{priority_level="closed"} ',
    ])
      expect(text).toContain(`apiserver_flowcontrol_${line}`);
  });

  it('applies its condition, and leaves those of others', async () => {
    await admin.create(FlowSchema, schemaFor('closed'));
    const own = (type: string) => ({
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'FlowSchema',
      metadata: { name: 'mallory' },
      status: { conditions: [{ type, status: 'True', reason: 'Mine', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    });
    await admin.patch(FlowSchema, 'mallory', 'apply', own('Other'), { subresource: 'status', fieldManager: 'other' });
    await admin.create(PriorityLevelConfiguration, closedLevel);
    const schema = await eventually(
      FlowSchema,
      'mallory',
      ({ status }) => status?.conditions?.some(({ reason }) => reason === 'Found') === true,
    );
    expect(schema.status?.conditions?.map(({ type, reason }) => [type, reason]).sort()).toEqual([
      ['Dangling', 'Found'],
      ['Other', 'Mine'],
    ]);
    expect(schema.metadata.managedFields?.filter(({ subresource }) => subresource === 'status')).toMatchObject([
      { manager: 'api-priority-and-fairness-config-consumer-v1', operation: 'Apply' },
      { manager: 'other', operation: 'Apply' },
    ]);
  });

  it('does not go on fighting over a condition', async () => {
    await admin.create(FlowSchema, schemaFor('closed'));
    const { metadata } = await eventually(FlowSchema, 'mallory', ({ status }) => status?.conditions?.[0]?.status === 'True');
    const opposite = { status: { conditions: [{ type: 'Dangling', status: 'False', reason: 'Other' }] } };
    const claim = () => admin.patch(FlowSchema, 'mallory', 'merge', opposite, { subresource: 'status' });
    for (let i = 0; i < 5; i++) {
      await claim();
      await eventually(FlowSchema, 'mallory', ({ status }) => status?.conditions?.[0]?.reason === 'NotFound');
    }
    const last = await claim();
    // Whatever it does next it does after this.
    await admin.delete(FlowSchema, 'probes');
    await eventually(FlowSchema, 'probes', () => true);
    expect((await admin.get(FlowSchema, 'mallory')).metadata).toMatchObject({
      uid: metadata.uid,
      resourceVersion: last.metadata.resourceVersion,
    });
  });

  it('gives the seats of a watch back once its initial events are there, of a failed request at once', async () => {
    const bob = clientOf('bob');
    const stop = new AbortController();
    const events = bob.watch(FlowSchema, { signal: stop.signal })[Symbol.asyncIterator]();
    for (let i = 0; i < 13; i++) await events.next();
    const pending = events.next().catch(() => {});
    await expect(bob.get(ConfigMap, 'none', { namespace: 'default' })).rejects.toMatchObject({ code: 404 });
    const executing = [...(server.flowControl?.fairness?.configured.schemas ?? [])].map(({ counters }) => counters.executing);
    expect(executing.reduce((a, b) => a + b, 0)).toBe(0);
    stop.abort();
    await pending;
  });
});

describe('the dumps', () => {
  afterEach(() => server.close());

  it('show levels, queues and who waits', async () => {
    await start({ dumps: true, maxRequestsInFlight: 20, maxMutatingRequestsInFlight: 0 });
    const lists = Promise.all([1, 2, 3, 4].map(() => clientOf('carol').list(ConfigMap, { namespace: 'default' })));
    const dump = (name: string) => server.localTransport(loopback).request(asked(name));
    const [levels, queues, requests] = await Promise.all(
      ['dump_priority_levels', 'dump_queues', 'dump_requests'].map(async (name) => String((await dump(name)).body).split('\n')),
    );
    expect(levels?.[0]).toBe(
      'PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests',
    );
    expect(levels?.map((line) => line.split(',')[0])).toContain('global-default');
    expect(queues?.[0]).toMatch(/^PriorityLevelName, +Index, +PendingRequests, +ExecutingRequests, /);
    expect(await metrics.metrics()).toMatch(/^apiserver_current_inqueue_requests\{request_kind="readOnly"\} [1-4]$/m);
    expect(requests?.[0]).toMatch(/^PriorityLevelName, +FlowSchemaName, +QueueIndex, +RequestIndexInQueue, +FlowDistingsher, /);
    // All queues that there are to be, and what waits in them and what runs.
    expect(queues?.filter((line) => line.startsWith('global-default,'))).toHaveLength(128);
    const places = requests?.filter((line) => line.startsWith('global-default,')).map((line) => line.split(/, */));
    expect(places?.find(([, , , place]) => place === '0')).toMatchObject({
      4: 'carol',
      6: '1',
      7: '0',
      8: '0s',
      9: '0001-01-01T00:00:00Z',
    });
    expect(places?.find(([, , , place]) => place === '-1')?.[9]).toMatch(/^20/);
    await lists;
  });
});

describe('without priority and fairness', () => {
  afterEach(() => server.close());

  it('only so many requests are in flight, the privileged apart', async () => {
    await start({ priorityAndFairness: false, maxRequestsInFlight: 2 });
    const alice = clientOf('alice');
    const answers = (client: Client) =>
      Promise.allSettled([1, 2, 3].map(() => client.list(ConfigMap, { namespace: 'default' }))).then((all) => all.map((a) => a.status));
    expect(await answers(alice)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(await answers(alice)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    // What lives long does not count, nor do those who are never kept out.
    const stop = new AbortController();
    const watches = [1, 2, 3].map(() => alice.watch(Namespace, { signal: stop.signal })[Symbol.asyncIterator]());
    await Promise.all(watches.map((events) => events.next()));
    expect(await Promise.all([answers(admin), answers(admin)])).toEqual(Array(2).fill(Array(3).fill('fulfilled')));
    expect(await answers(alice)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    stop.abort();
    expect(await answers(admin)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  });
});
