/** Controllers in a world of their own: an API in memory, a clock that moves when told, and a hand that plays kubelet. */
import type { Draft, KubeObject, Pod as PodType, Resource } from '../../api/index.ts';
import {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Event,
  Job,
  Lease,
  Node,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../api/index.ts';
import { type Client, createClient } from '../../client/index.ts';
import { createMemoryApi, type MemoryApi } from '../../client/testing/memory-api.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { nodeOf } from '../daemonset/plan.ts';
import type { Controller } from '../framework/index.ts';
import { runControllerManager } from '../manager.ts';

const resources = [
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Event,
  Job,
  Lease,
  Node,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
];

export interface Harness {
  api: MemoryApi;
  client: Client;
  clock: VirtualClock;
  namespace: string;
  /** Lets everything that can happen now happen; then moves time on, if so told. */
  settle(ms?: number): Promise<void>;
  create<T extends KubeObject>(resource: Resource<T>, object: Omit<Draft<T>, 'apiVersion' | 'kind'>): Promise<T>;
  get<T extends KubeObject>(resource: Resource<T>, name: string): Promise<T>;
  list<T extends KubeObject>(resource: Resource<T>): Promise<T[]>;
  /** Writes `change` of the fresh object. */
  update<T extends KubeObject>(resource: Resource<T>, name: string, change: (object: T) => T): Promise<T>;
  pods(): Promise<PodType[]>;
  /** Pod names (or what `of` says of them), sorted. */
  podStatus(name: string, status: PodType['status']): Promise<void>;
  /** Makes pods run and be ready, all that are not yet or those that `which` picks; gives them the node `node` where they have none. */
  runPods(which?: (pod: PodType) => boolean): Promise<number>;
  finishPod(name: string, phase: 'Succeeded' | 'Failed', exitCode?: number): Promise<void>;
  /** `reason: message` of the events so far, in order. */
  events(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startControllers(...controllers: Controller[]): Promise<Harness> {
  const clock = new VirtualClock();
  const api = createMemoryApi(clock, resources);
  const client = createClient(api);
  const stop = new AbortController();
  const namespace = 'work';
  const run = runControllerManager({ client, clock, random: seededRandom(7), available: controllers, controllers: '*' }, stop.signal);
  // A failure shows when the test stops the harness.
  run.catch(() => undefined);

  const harness: Harness = {
    api,
    client,
    clock,
    namespace,
    settle: (ms = 0) => clock.advance(ms),
    create: (resource, object) => {
      const at = resource.namespaced ? { namespace } : {};
      const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version;
      const draft = { apiVersion, kind: resource.kind, ...object, metadata: { ...at, ...object.metadata } };
      // All of T's own fields come from `object`.
      return client.create(resource, draft as never, at);
    },
    get: (resource, name) => client.get(resource, name, { namespace }),
    list: async (resource) => (await client.list(resource, { namespace })).items,
    update: async (resource, name, change) => client.update(resource, change(await client.get(resource, name, { namespace }))),
    pods: async () => (await client.list(Pod, { namespace })).items,
    async podStatus(name, status) {
      await client.patch(Pod, name, 'merge', { status }, { namespace, subresource: 'status' });
      await clock.advance(0);
    },
    async runPods(which = () => true) {
      const waiting = (await harness.pods()).filter(
        (pod) => pod.status?.phase === undefined && !pod.metadata.deletionTimestamp && which(pod),
      );
      for (const pod of waiting) {
        if (!pod.spec.nodeName)
          await client.patch(Pod, pod.metadata.name, 'merge', { spec: { nodeName: nodeOf(pod) || 'node' } }, { namespace });
        await harness.podStatus(pod.metadata.name, {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date(clock.now()).toISOString() }],
        });
      }
      return waiting.length;
    },
    async finishPod(name, phase, exitCode = phase === 'Failed' ? 1 : 0) {
      const finishedAt = new Date(clock.now()).toISOString();
      const terminated = { exitCode, finishedAt };
      const containerStatuses = [{ name: 'main', ready: false, restartCount: 0, image: 'i', imageID: '', state: { terminated } }];
      await harness.podStatus(name, { phase, containerStatuses, conditions: [{ type: 'Ready', status: 'False' }] });
    },
    events: async () =>
      (await client.list(Event, { namespace })).items.map((e) => `${e.reason}: ${e.message}${(e.count ?? 1) > 1 ? ` (x${e.count})` : ''}`),
    async stop() {
      stop.abort();
      await run;
    },
  };
  await clock.advance(0);
  return harness;
}

/** A pod template with the label app=web. */
export const template = (image = 'nginx:1', labels: Record<string, string> = { app: 'web' }) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'main', image }] },
});

export const selector = { matchLabels: { app: 'web' } };
