/** What the room's tests make objects and clusters of. */
import {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  type PodSpec,
  ReplicaSet,
  ReplicationController,
  Service,
  StatefulSet,
  StorageClass,
  VolumeAttachment,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { createClient, createInformerFactory } from '../../client/index.ts';
import { createMemoryApi, type MemoryApi } from '../../client/testing/memory-api.ts';
import { seededRandom, systemClock } from '../../time/index.ts';
import { runScheduler, type SchedulerOptions } from '../run-scheduler.ts';

export const resources = [
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  Service,
  StatefulSet,
  StorageClass,
  VolumeAttachment,
];

type Labels = Record<string, string>;

export interface PodParts {
  labels?: Labels;
  cpu?: string;
  memory?: string;
  spec?: Partial<PodSpec>;
  status?: Pod['status'];
  namespace?: string;
  ownerReferences?: Pod['metadata']['ownerReferences'];
}

/** A pod with one container. */
export function makePod(name: string, parts: PodParts = {}): Pod {
  const { labels, cpu, memory, spec, status, namespace = 'default', ownerReferences } = parts;
  const requests = { ...(cpu ? { cpu } : {}), ...(memory ? { memory } : {}) };
  const metadata = { name, namespace, uid: `uid-${name}`, ...(labels ? { labels } : {}), ...(ownerReferences ? { ownerReferences } : {}) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    // What only a server gives (resourceVersion, creationTimestamp) plays no part here.
    metadata: metadata as unknown as Pod['metadata'],
    spec: { containers: [{ name: 'main', image: 'app', resources: { requests } }], ...spec },
    ...(status ? { status } : {}),
  };
}

export interface NodeParts {
  labels?: Labels;
  cpu?: string;
  memory?: string;
  pods?: string;
  spec?: Node['spec'];
  images?: { names: string[]; sizeBytes: number }[];
  allocatable?: Labels;
}

export function makeNode(name: string, parts: NodeParts = {}): Node {
  const { labels, cpu = '4', memory = '8Gi', pods = '110', spec = {}, images, allocatable } = parts;
  const metadata = { name, uid: `uid-${name}`, labels: { 'kubernetes.io/hostname': name, ...labels } };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    // As above.
    metadata: metadata as unknown as Node['metadata'],
    spec,
    status: { allocatable: { cpu, memory, pods, ...allocatable }, ...(images ? { images } : {}) },
  };
}

export interface TestCluster {
  api: MemoryApi;
  client: Client;
  /** Resolves when the pod is as wanted. */
  until(name: string, wanted: (pod: Pod | undefined) => boolean): Promise<void>;
  pod(name: string): Promise<Pod>;
  events(): Promise<Event[]>;
  stop(): Promise<void>;
}

/** A scheduler over an API in memory. */
export async function startCluster(options: Partial<SchedulerOptions> = {}): Promise<TestCluster> {
  const clock = options.clock ?? systemClock;
  const api = createMemoryApi(clock, resources);
  const client = createClient(api);
  const random = seededRandom(1);
  const informers = createInformerFactory({ client, clock, random });
  const stopping = new AbortController();
  const watchers = new Set<() => void>();
  informers.for(Pod).addHandler({ add: wakeAll, update: wakeAll, delete: wakeAll });
  function wakeAll(): void {
    for (const wake of watchers) wake();
  }
  const ready = Promise.withResolvers<void>();
  const informing = informers.run(stopping.signal);
  const running = runScheduler({ client, informers, clock, random, onReady: ready.resolve, ...options }, stopping.signal);
  await Promise.race([ready.promise, running]);
  return {
    api,
    client,
    async until(name, wanted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => {
        if (wanted(informers.for(Pod).lister.get(name, 'default'))) resolve();
      };
      watchers.add(look);
      look();
      await promise;
      watchers.delete(look);
    },
    pod: (name) => client.get(Pod, name, { namespace: 'default' }),
    events: async () => (await client.list(Event)).items,
    async stop() {
      stopping.abort(new Error('the test is over'));
      await Promise.allSettled([running, informing]);
    },
  };
}
