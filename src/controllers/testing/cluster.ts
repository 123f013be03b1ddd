/** Controllers over a real API server in the same process, with a store in memory and a clock that moves when told. */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Draft, KubeObject, Pod as PodType, Resource } from '../../api/index.ts';
import { apiVersionOf, Event, hasReason, kinds, Namespace, Node, Pod } from '../../api/index.ts';
import { type Client, createClient, type Transport } from '../../client/index.ts';
import { createApiServer } from '../../server/index.ts';
import { openMemoryStore } from '../../store/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import type { Controller, ControllerConfig } from '../framework/index.ts';
import { runControllerManager } from '../manager.ts';

export interface TestCluster {
  client: Client;
  clock: VirtualClock;
  /** Lets everything that can happen now happen; then moves time on, if so told. */
  settle(ms?: number): Promise<void>;
  /** Makes an object, in the namespace `work` unless it says otherwise. */
  create<T extends KubeObject>(resource: Resource<T>, object: Omit<Draft<T>, 'apiVersion' | 'kind'>): Promise<T>;
  get<T extends KubeObject>(resource: Resource<T>, name: string): Promise<T>;
  /** The object, or undefined where there is none. */
  find<T extends KubeObject>(resource: Resource<T>, name: string): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource<T>): Promise<T[]>;
  update<T extends KubeObject>(resource: Resource<T>, name: string, change: (object: T) => T): Promise<T>;
  /** Writes an object's status. */
  status<T extends KubeObject>(resource: Resource<T>, name: string, status: object): Promise<T>;
  /** A pod that runs on `node` with this address. */
  runPod(
    name: string,
    options?: { ip?: string; ready?: boolean; labels?: Record<string, string>; node?: string; metadata?: object; spec?: object },
  ): Promise<PodType>;
  node(name: string, metadata?: object, spec?: object): Promise<Node>;
  /** What a kubelet does when a pod's containers have stopped. */
  removePod(name: string): Promise<void>;
  events(): Promise<string[]>;
  /** Requests that the controllers have made so far. */
  requests(): number;
  stop(): Promise<void>;
}

/** `serves`: which versions; default: all but alpha ones. */
export async function startCluster(
  controllers: readonly Controller[],
  config: Partial<ControllerConfig> = {},
  serves?: (resource: Resource) => boolean,
): Promise<TestCluster> {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
  const authorizer = { authorize: async () => ({ decision: 'allow' as const, reason: '' }) };
  const made = { store, clock, random: seededRandom(3), logger, kinds, authorizer, metrics: new Registry() };
  const server = await createApiServer({ ...made, ...(serves ? { serves } : {}) });
  const client = createClient(server.localTransport({ name: 'admin', groups: ['system:masters'] }));
  const local = server.localTransport({ name: 'controllers', groups: ['system:masters'] });
  let requests = 0;
  const counted: Transport = {
    ...local,
    request(request) {
      requests++;
      return local.request(request);
    },
  };
  const stop = new AbortController();
  const run = runControllerManager(
    {
      client: createClient(counted),
      clock,
      random: seededRandom(7),
      available: controllers,
      controllers: controllers.map(({ name }) => name),
      isEnabled: () => true,
      config,
      logger,
    },
    stop.signal,
  );
  // A failure shows when the test stops the cluster.
  run.catch(() => undefined);
  const namespace = 'work';

  const settle = async (ms = 0) => {
    const quiet = async () => {
      for (let i = 0; i < 40; i++) await clock.advance(0);
    };
    await quiet();
    // In steps, so that what one timer starts is done when the next is due.
    for (let left = ms; left > 0; left -= Math.min(left, ms / 10)) {
      await clock.advance(Math.min(left, ms / 10));
      await quiet();
    }
  };

  const cluster: TestCluster = {
    client,
    clock,
    settle,
    create: (resource, object) => {
      const at = resource.namespaced ? { namespace: object.metadata.namespace ?? namespace } : {};
      const draft = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object, metadata: { ...object.metadata, ...at } };
      // All of T's own fields come from `object`.
      return client.create(resource, draft as never, at);
    },
    get: (resource, name) => client.get(resource, name, { namespace }),
    find: async (resource, name) => (await client.list(resource, { namespace })).items.find((o) => o.metadata.name === name),
    list: async (resource) => (await client.list(resource, { namespace })).items,
    async update(resource, name, change) {
      for (;;) {
        try {
          return await client.update(resource, change(await client.get(resource, name, { namespace })));
        } catch (error) {
          // A controller wrote in between.
          if (!hasReason(error, 'Conflict')) throw error;
        }
      }
    },
    status: (resource, name, status) => client.patch(resource, name, 'merge', { status }, { namespace, subresource: 'status' }),
    async runPod(name, { ip = '10.0.0.9', ready = true, labels = { app: 'web' }, node = 'node', metadata = {}, spec = {} } = {}) {
      await cluster.create(Pod, {
        metadata: { name, labels, ...metadata },
        spec: { nodeName: node, containers: [{ name: 'main', image: 'i' }], ...spec } as PodType['spec'],
      });
      const now = new Date(clock.now()).toISOString().replace('.000', '');
      return cluster.status(Pod, name, {
        phase: 'Running',
        podIP: ip,
        podIPs: [{ ip }],
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: now }],
      });
    },
    node: (name, metadata = {}, spec = {}) => cluster.create(Node, { metadata: { name, ...metadata }, spec }),
    removePod: async (name) => void (await client.delete(Pod, name, { namespace, gracePeriodSeconds: 0 })),
    events: async () => (await client.list(Event)).items.map((e) => `${e.reason}: ${e.message}`),
    requests: () => requests,
    async stop() {
      stop.abort();
      await run;
      await server.close();
      await store.close();
    },
  };
  await cluster.create(Namespace, { metadata: { name: namespace }, spec: {} });
  await settle();
  return cluster;
}
