/** One run: a system, clients, watches and faults, all from one seed; answers what happened. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Random, seededRandom } from '../../src/time/index.ts';
import { emptyHistory, type History } from './history.ts';
import { perform, type Recorder, runClient } from './load/clients.ts';
import { type Connection, connectTo } from './load/connection.ts';
import { type Observer, runWatcher, startObserver } from './load/watchers.ts';
import { namespaces } from './load/wire.ts';
import { startEmbedded } from './systems/embedded.ts';
import { startEtcd } from './systems/etcd.ts';
import { startEtcdFace } from './systems/etcd-face.ts';
import { startMemory } from './systems/memory.ts';
import type { Engine, System, SystemOptions } from './systems/system.ts';

export interface RunOptions {
  engine: Engine;
  seed: number;
  /** How long it goes on, unless `eachFaultOnce`. */
  seconds: number;
  /** It goes on until every fault has been once. */
  eachFaultOnce?: boolean;
  /** Default 6. */
  clients?: number;
  /** Default 4. */
  watchers?: number;
  /** Default 20: milliseconds that a client waits between requests, on average. */
  thinkMs?: number;
  /** Ends the run before its time. */
  signal?: AbortSignal;
  onIncident?: (text: string) => void;
}

const starters: Record<Engine, (options: SystemOptions) => Promise<System>> = {
  memory: startMemory,
  embedded: startEmbedded,
  etcd: startEtcd,
  'etcd-face': startEtcdFace,
};

export async function runOnce(options: RunOptions): Promise<History> {
  const { engine, seed, seconds, clients = 6, watchers = 4, thinkMs = 20, onIncident = () => {} } = options;
  const begin = performance.now();
  const now = () => performance.now() - begin;
  const history = emptyHistory({ entry: 'head', engine, seed, seconds, beginRevision: 0, endRevision: 0, observers: [] });
  const tell: SystemOptions['tell'] = (incident) => {
    history.incidents.push({ entry: 'incident', at: now(), ...incident });
    onIncident(`${(now() / 1000).toFixed(1).padStart(6)} s  ${incident.what}`);
  };
  let ids = 0;
  const recorder: Recorder = { history, now, nextId: () => ++ids, heard: new Map(), recent: [] };
  const system = await starters[engine]({ tell });
  const connections = system.servers.map(connectTo);
  const observers: Observer[] = [];
  const stop = new AbortController();
  const loads: Promise<void>[] = [];
  try {
    history.head.beginRevision = await prepare(connections[0] as Connection);
    const through = options.eachFaultOnce ? [] : [AbortSignal.timeout(seconds * 1000)];
    const over = AbortSignal.any([stop.signal, ...through, ...(options.signal ? [options.signal] : [])]);
    // Each has chance of its own, so that what one does depends on no other.
    const chances = seededRandom(seed);
    const random = (): Random => seededRandom(Math.floor(chances.next() * 2 ** 32));
    const each = { recorder, connections };
    for (let i = 0; i < Math.max(2, connections.length); i++) {
      const name = `observer-${i}`;
      const own = connections.map((_, n) => connections[(i + n) % connections.length] as Connection);
      history.head.observers.push(name);
      observers.push(startObserver({ name, recorder, connections: own, random: random(), beginRevision: history.head.beginRevision }));
    }
    for (let i = 0; i < clients; i++) loads.push(runClient({ name: `client-${i}`, ...each, random: random(), thinkMs }, over));
    for (let i = 0; i < watchers; i++) loads.push(runWatcher({ name: `watcher-${i}`, ...each, random: random() }, over));
    await disturb(system, random(), tell, over, options.eachFaultOnce ? 1 : Number.POSITIVE_INFINITY);
    if (options.eachFaultOnce) history.head.seconds = Math.round(now() / 1000);
    stop.abort();
    await Promise.all(loads);
    await fillIn(recorder, connections, observers);
  } finally {
    stop.abort();
    await Promise.allSettled(loads);
    await Promise.all(observers.map((observer) => observer.stop()));
    for (const connection of connections) connection.close();
    await system.stop();
  }
  return history;
}

/** The namespaces; answers the revision at which the run begins. */
async function prepare(connection: Connection): Promise<number> {
  for (const name of namespaces) {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    const { status, body: answer } = await connection.send('POST', '/api/v1/namespaces', { body });
    if (status !== 201) throw new Error(`could not make the namespace ${name}: ${status} ${String(answer.message)}`);
  }
  const { body } = await connection.send('GET', '/api/v1/configmaps');
  return Number((body.metadata as { resourceVersion: string }).resourceVersion);
}

/** One fault after the other, with calm in between; none again before all others have been. */
async function disturb(system: System, random: Random, tell: SystemOptions['tell'], over: AbortSignal, rounds: number): Promise<void> {
  const wait = (ms: number) => Promise.race([pause(ms), new Promise((resolve) => over.addEventListener('abort', resolve, { once: true }))]);
  for (let round = 0; round < rounds; round++) {
    for (const fault of shuffled(system.faults, random)) {
      await wait(500 + random.next() * 1000);
      if (over.aborted) return;
      const lastsMs = 100 + random.next() * ((fault.longestMs ?? 2500) - 100);
      tell({ what: `${fault.name} for ${Math.round(lastsMs)} ms`, is: 'fault' });
      const undo = await fault.begin(random);
      await wait(lastsMs);
      await undo();
      tell({ what: `over: ${fault.name}`, is: 'over' });
    }
  }
  await wait(500);
}

function shuffled<T>(from: readonly T[], random: Random): T[] {
  const left = [...from];
  return from.flatMap(() => left.splice(Math.floor(random.next() * left.length), 1));
}

const settleMs = 30_000;

/** When all is well again: observers see a last change, and lists of single revisions show what no observer was told. */
async function fillIn(recorder: Recorder, connections: readonly Connection[], observers: readonly Observer[]): Promise<void> {
  const { history } = recorder;
  const settled = performance.now() + settleMs;
  const write = async (): Promise<number> => {
    for (;;) {
      for (const connection of connections) {
        const value = `auditor-${recorder.nextId()}`;
        const { state } = await perform(recorder, 'auditor', connection, { verb: 'apply', key: 'c1/k0', value, color: 'red' });
        if (state) return state.revision;
      }
      if (performance.now() > settled) throw new Error(`no server writes ${settleMs / 1000} s after the last fault`);
      await pause(200);
    }
  };
  const last = await write();
  history.head.endRevision = last;
  while (observers.some((observer) => observer.revision < last) && performance.now() < settled) await pause(20);
  for (const connection of connections) await perform(recorder, 'auditor', connection, { verb: 'list', version: '' });

  for (const { from, to } of unseen(history)) {
    for (let revision = from - 1; revision <= to; revision++) {
      const call = { verb: 'list', version: String(revision), match: 'Exact' } as const;
      await perform(recorder, 'auditor', pickServer(connections, revision), call);
    }
  }
}

const pickServer = (connections: readonly Connection[], n: number) => connections[n % connections.length] as Connection;

/** Revisions that lie between what all observers were told. */
function unseen({ head, watches }: History): { from: number; to: number }[] {
  const seen = watches
    .filter((watch) => head.observers.includes(watch.client) && watch.events.length > 0)
    .map((watch) => ({ from: Number(watch.version), to: watch.events.at(-1)?.revision ?? 0 }))
    .sort((a, b) => a.from - b.from);
  const found: { from: number; to: number }[] = [];
  let reached = head.beginRevision;
  for (const { from, to } of seen) {
    if (from > reached) found.push({ from: reached + 1, to: from });
    reached = Math.max(reached, to);
  }
  return found;
}
