/** Writers and watchers on several API servers that check every answer. */
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigMap, type Draft, hasReason } from '../../src/api/index.ts';
import type { Client } from '../../src/client/index.ts';

const namespace = 'default';
const watched = { namespace, labelSelector: 'load=ha' };

/** What a request says that may or may not have been done, or that nobody has heard. */
const isOutage = (error: unknown) => !(hasReason(error, 'AlreadyExists') || hasReason(error, 'Conflict') || hasReason(error, 'Invalid'));

export interface Load {
  /** Names of objects whose creation was acknowledged, with the resourceVersion. */
  acknowledged: Map<string, number>;
  /** Counter updates that were acknowledged. */
  increments: number;
  /** The longest time without an acknowledged write, since the last call. */
  longestSilenceMs(): number;
  stop(): Promise<void>;
}

export async function startLoad(clients: readonly Client[]): Promise<Load> {
  const acknowledged = new Map<string, number>();
  let stopped = false;
  let lastAtMs = performance.now();
  let silenceMs = 0;
  let next = 0;
  const load = { increments: 0 };
  const counter: Draft<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'counter', namespace }, data: { n: '0' } };
  await (clients[0] as Client).create(ConfigMap, counter, { namespace });

  const told = () => {
    const now = performance.now();
    silenceMs = Math.max(silenceMs, now - lastAtMs);
    lastAtMs = now;
  };
  /** Goes on with the other server when one fails, as clients behind a load balancer do. */
  const writer = async (turn: number) => {
    for (let server = turn; !stopped; ) {
      const client = clients[server % clients.length] as Client;
      try {
        const name = `w-${next++}`;
        const object: Draft<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: { load: 'ha' } } };
        const made = await client.create(ConfigMap, object, { namespace, signal: AbortSignal.timeout(10_000) });
        acknowledged.set(name, Number(made.metadata.resourceVersion));
        told();
        const known = await client.get(ConfigMap, 'counter', { namespace, signal: AbortSignal.timeout(10_000) });
        const raised = { ...known, data: { n: String(Number(known.data?.n) + 1) } };
        await client.update(ConfigMap, raised, { namespace, signal: AbortSignal.timeout(10_000) });
        load.increments++;
        told();
      } catch (error) {
        if (isOutage(error)) server++;
      }
      await pause(10);
    }
  };
  const writers = Promise.all([writer(0), writer(1)]);
  return {
    acknowledged,
    get increments() {
      return load.increments;
    },
    longestSilenceMs() {
      told();
      const longest = silenceMs;
      silenceMs = 0;
      return longest;
    },
    async stop() {
      stopped = true;
      await writers;
    },
  };
}

export interface Watch {
  /** Names in the order in which they came, each with its resourceVersion. */
  seen: { name: string; revision: number }[];
  /** What a watch must never do. */
  problems: string[];
  stop(): Promise<void>;
}

/** Watches for good: where a watch ends it goes on after the last event, at the next server. */
export async function startWatch(clients: readonly Client[], first: number): Promise<Watch> {
  const stop = new AbortController();
  const seen: Watch['seen'] = [];
  const problems: string[] = [];
  let turn = first;
  const client = () => clients[turn % clients.length] as Client;
  let version = (await client().list(ConfigMap, { namespace })).metadata.resourceVersion ?? '';
  const run = async () => {
    while (!stop.signal.aborted) {
      try {
        for await (const event of client().watch(ConfigMap, { ...watched, resourceVersion: version, signal: stop.signal })) {
          if (event.type !== 'ADDED') continue;
          const revision = Number(event.object.metadata.resourceVersion);
          if (revision <= Number(version)) problems.push(`${revision} came after ${version}`);
          version = String(revision);
          seen.push({ name: event.object.metadata.name ?? '', revision });
        }
      } catch (error) {
        if (hasReason(error, 'Expired') || hasReason(error, 'Gone')) {
          problems.push(`lost its place at ${version}: ${error}`);
          return;
        }
      }
      turn++;
      if (!stop.signal.aborted) await pause(50);
    }
  };
  const running = run();
  return {
    seen,
    problems,
    async stop() {
      stop.abort();
      await running;
    },
  };
}
