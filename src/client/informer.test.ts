import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMap, errors } from '../api/index.ts';
import { seededRandom, VirtualClock } from '../time/index.ts';
import type { Client } from './client.ts';
import { createClient } from './create-client.ts';
import { createInformer, type Informer } from './informer.ts';
import { createInformerFactory } from './informer-factory.ts';
import { createMemoryApi, type MemoryApi } from './testing/memory-api.ts';

let clock: VirtualClock;
let api: MemoryApi;
let client: Client;
let stop: AbortController;
let seen: string[];

beforeEach(() => {
  clock = new VirtualClock();
  api = createMemoryApi(clock, [ConfigMap]);
  client = createClient(api);
  stop = new AbortController();
  seen = [];
});
afterEach(() => stop.abort());

const make = (name: string, data: Record<string, string> = {}) =>
  client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'work', labels: { app: name } }, data });

function observe(informer: Informer<ConfigMap>): Promise<void> {
  informer.addHandler({
    add: (o) => seen.push(`add ${o.metadata.name}`),
    update: (o, was) => seen.push(`update ${o.metadata.name} ${was.data?.k ?? '-'} to ${o.data?.k ?? '-'}`),
    delete: (o, unknown) => seen.push(`delete ${o.metadata.name}${unknown ? ' (missed)' : ''}`),
    synced: () => seen.push('synced'),
  });
  return informer.run(stop.signal);
}

const informerOf = (options = {}) => createInformer({ client, clock, random: seededRandom(1) }, ConfigMap, options);

test.each([false, true])('tells of what is there, then of each change (streaming list: %s)', async (streamingList) => {
  await make('a');
  const informer = informerOf({ streamingList });
  const done = observe(informer);
  await clock.advance(0);
  expect(seen).toEqual(['add a', 'synced']);
  const b = await make('b', { k: '1' });
  await client.update(ConfigMap, { ...b, data: { k: '2' } });
  await client.delete(ConfigMap, 'a', { namespace: 'work' });
  await clock.advance(0);
  expect(seen.slice(2)).toEqual(['add b', 'update b 1 to 2', 'delete a']);
  expect(informer.lister.get('b', 'work')?.data).toEqual({ k: '2' });
  expect(informer.lister.list('work').map((o) => o.metadata.name)).toEqual(['b']);
  stop.abort();
  await done;
});

test('goes on from where it was when the watch ends, listing nothing again', async () => {
  void observe(informerOf());
  await clock.advance(5000);
  api.endWatches();
  await make('during');
  await clock.advance(0);
  expect(seen).toEqual(['synced', 'add during']);
  expect(api.log.filter((l) => l === 'GET /api/v1/configmaps')).toHaveLength(1);
});

test('lists again when its version is too old, and tells the difference', async () => {
  await make('old');
  await make('kept');
  void observe(informerOf());
  await clock.advance(5000);
  api.intercept = () => {
    throw errors.serviceUnavailable('restarting');
  };
  api.endWatches();
  await clock.advance(100);
  api.intercept = undefined;
  await client.delete(ConfigMap, 'old', { namespace: 'work' });
  await make('new');
  api.compact();
  await clock.advance(60_000);
  expect(seen.slice(3)).toEqual(['delete old (missed)', 'add new']);
});

test('keeps trying to list while the server is away', async () => {
  api.intercept = () => {
    throw errors.serviceUnavailable('starting');
  };
  const informer = informerOf();
  void observe(informer);
  await clock.advance(10_000);
  expect(informer.synced).toBe(false);
  api.intercept = undefined;
  await clock.advance(60_000);
  expect(informer.synced).toBe(true);
});

test('an object that was deleted and made anew under its name is told as both', async () => {
  await make('a');
  void observe(informerOf());
  await clock.advance(5000);
  api.intercept = () => {
    throw errors.serviceUnavailable('restarting');
  };
  api.endWatches();
  await clock.advance(0);
  api.intercept = undefined;
  await client.delete(ConfigMap, 'a', { namespace: 'work' });
  await make('a');
  api.compact();
  await clock.advance(60_000);
  expect(seen.slice(2)).toEqual(['delete a (missed)', 'add a']);
});

test('resync tells a handler of everything again', async () => {
  await make('a');
  const informer = informerOf();
  void informer.run(stop.signal);
  let updates = 0;
  informer.addHandler({ update: () => updates++ }, { resyncMs: 1000 });
  await clock.advance(3500);
  expect(updates).toBe(3);
});

test('an index finds objects, and forgets the value that an object has left', async () => {
  const informer = informerOf();
  informer.addIndex('k', (o) => (o.data?.k ? [o.data.k] : []));
  void informer.run(stop.signal);
  await clock.advance(0);
  const a = await make('a', { k: 'x' });
  await clock.advance(0);
  expect(informer.lister.byIndex('k', 'x').map((o) => o.metadata.name)).toEqual(['a']);
  await client.update(ConfigMap, { ...a, data: { k: 'y' } });
  await clock.advance(0);
  expect(informer.lister.byIndex('k', 'x')).toEqual([]);
  expect(informer.lister.byIndex('k', 'y')).toHaveLength(1);
});

test('a factory shares one informer per selection, and starts those asked for later', async () => {
  const factory = createInformerFactory({ client, clock, random: seededRandom(1) });
  expect(factory.for(ConfigMap)).toBe(factory.for(ConfigMap));
  expect(factory.for(ConfigMap)).not.toBe(factory.for(ConfigMap, { namespace: 'work' }));
  const run = factory.run(stop.signal);
  await make('late');
  const later = factory.for(ConfigMap, { labelSelector: 'app=late' });
  await clock.advance(0);
  expect(later.lister.size).toBe(1);
  stop.abort();
  await run;
});

test('a handler that throws stops the factory with what it threw', async () => {
  const factory = createInformerFactory({ client, clock, random: seededRandom(1) });
  factory.for(ConfigMap).addHandler({
    add: () => {
      throw new TypeError('a bug');
    },
  });
  await make('a');
  await expect(factory.run(stop.signal)).rejects.toThrow(TypeError);
});

test('does not wait on when the server, long out of reach, has answered somebody else', async () => {
  void observe(informerOf());
  await clock.advance(5000);
  api.intercept = () => {
    throw new Error('connection refused');
  };
  api.endWatches();
  await clock.advance(90_000);
  api.intercept = undefined;
  await make('after');
  api.compact();
  expect(seen).toEqual(['synced']);
  // Its version is too old by now; that too is no failure of a server that was away.
  await clock.advance(3200);
  expect(seen).toEqual(['synced', 'add after']);
});
