/** A kubelet over the hollow runtime and an API in memory, on a clock that the test moves. */
import pino from 'pino';
import { ConfigMap, Event, Lease, Node, type Pod, Pod as PodResource, type PodSpec, RuntimeClass, Secret, Service } from '../api/index.ts';
import { createClient } from '../client/index.ts';
import { createMemoryApi } from '../client/testing/memory-api.ts';
import { type HollowRuntimeOptions, hollowRuntime } from '../runtime/hollow/index.ts';
import { seededRandom, VirtualClock } from '../time/index.ts';
import { createKubelet } from './kubelet.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { hollowMachine } from './node/machine.ts';

export async function startTestKubelet(given: { runtime?: Partial<HollowRuntimeOptions>; kubelet?: Partial<KubeletOptions> } = {}) {
  const clock = new VirtualClock();
  const random = seededRandom(7);
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
  const api = createMemoryApi(clock, [PodResource, Node, Lease, Event, Service, ConfigMap, Secret, RuntimeClass]);
  api.gracefulKinds.add('Pod');
  const client = createClient(api);
  const runtime = hollowRuntime({ clock, random, podCIDR: '10.1.0.0/24', ...given.runtime });
  const make = () =>
    createKubelet({
      nodeName: 'node-1',
      client,
      runtime,
      clock,
      random,
      logger,
      machine: hollowMachine('node-1'),
      rootDir: '/nonexistent',
      nodeIPs: ['192.0.2.1'],
      hollow: true,
      ...given.kubelet,
    });
  let stop = new AbortController();
  let kubelet = make();
  let running = kubelet.run(stop.signal);
  /** Lets everything that is ready happen, without moving the clock. */
  const settle = async () => {
    for (let i = 0; i < 20; i++) await clock.advance(0);
    await kubelet.idle();
  };
  await settle();

  return {
    clock,
    client,
    api,
    runtime,
    settle,
    get kubelet() {
      return kubelet;
    },
    async advance(ms: number) {
      await clock.advance(ms);
      await settle();
    },
    async create(name: string, spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Promise<Pod> {
      const pod = await client.create(PodResource, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default', ...metadata },
        spec: {
          nodeName: 'node-1',
          restartPolicy: 'Always',
          terminationGracePeriodSeconds: 30,
          containers: [{ name: 'main', image: 'nginx:1', imagePullPolicy: 'IfNotPresent' }],
          ...spec,
        },
      });
      await settle();
      return pod;
    },
    pod: (name: string) => client.get(PodResource, name, { namespace: 'default' }),
    async delete(name: string) {
      await client.delete(PodResource, name, { namespace: 'default' });
      await settle();
    },
    async events(name: string): Promise<string[]> {
      const { items } = await client.list(Event, { namespace: 'default' });
      return items.filter((e) => e.involvedObject.name === name).map((e) => `${e.type} ${e.reason} ${e.message}`);
    },
    async restartKubelet() {
      stop.abort();
      await running;
      stop = new AbortController();
      kubelet = make();
      running = kubelet.run(stop.signal);
      await settle();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}
