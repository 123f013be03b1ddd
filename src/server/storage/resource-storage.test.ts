import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Event,
  type KindDefinition,
  type KubeObject,
  kinds,
  Node,
  Pod,
  parseRuntimeConfig,
  Service,
  type ServiceSpec,
  servedKinds,
} from '../../api/index.ts';
import { CompactedError, openEmbeddedStore, openMemoryStore, type Store } from '../../store/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { encodeObject } from './cached-object.ts';
import { decodeContinueToken, encodeContinueToken } from './continue-token.ts';
import { openResourceStorage } from './resource-storage.ts';
import type { ResourceStorage, StorageWatchEvent, StorageWatchOptions } from './storage.ts';
import { storedForm } from './stored-form.ts';

const engines: Record<string, (clock: VirtualClock, dir: string) => Promise<Store>> = {
  memory: async (clock) => openMemoryStore({ clock }),
  embedded: (clock, dir) => openEmbeddedStore({ dir, clock }),
};

const ignored = () => {};

describe.each(Object.entries(engines))('resource storage over the %s store', (_, open) => {
  let dir: string;
  let clock: VirtualClock;
  let store: Store;
  let pods: ResourceStorage<Pod>;
  let controller: AbortController;
  let counts: { dispatched: number; terminated: number };

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'k8ts-storage-'));
    clock = new VirtualClock();
    store = await open(clock, dir);
    controller = new AbortController();
    counts = { dispatched: 0, terminated: 0 };
    pods = openResourceStorage<Pod>({
      store,
      prefix: '/registry/pods',
      resource: Pod,
      clock,
      indexes: ['spec.nodeName'],
      watcherBuffer: 50,
      observer: {
        ...{ listed: ignored, received: ignored, filled: ignored, waited: ignored, readConsistently: ignored, undecodable: ignored },
        dispatched: () => counts.dispatched++,
        terminated: () => counts.terminated++,
      },
    });
  });
  afterEach(async () => {
    controller.abort();
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const meta = (name: string, namespace?: string) => ({
    name,
    ...(namespace ? { namespace } : {}),
    uid: `uid-${name}`,
    creationTimestamp: '2026-01-01T00:00:00Z',
    resourceVersion: 'not stored',
  });
  const pod = (namespace: string, name: string, labels: Record<string, string> = {}, nodeName = ''): Pod => ({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { ...meta(name, namespace), labels },
    spec: { containers: [], ...(nodeName ? { nodeName } : {}) },
  });
  const relabel = (namespace: string, name: string, labels: Record<string, string>) =>
    pods.update(namespace, name, {}, ({ object }) => ({ ...object, metadata: { ...object.metadata, labels } }));
  const names = (list: { items: readonly { object: KubeObject }[] }) => list.items.map((i) => i.object.metadata.name);
  const watching = (options: Omit<StorageWatchOptions<Pod>, 'signal'>) =>
    pods.watch({ ...options, signal: controller.signal })[Symbol.asyncIterator]();
  const text = (event: StorageWatchEvent<Pod>) =>
    event.type === 'BOOKMARK'
      ? `BOOKMARK ${event.revision}${event.initialEventsEnd ? ' end' : ''}`
      : `${event.type} ${event.item.object.metadata.name} ${event.item.revision}`;
  const take = async (iterator: AsyncIterator<StorageWatchEvent<Pod>>, count: number) => {
    const seen: string[] = [];
    while (seen.length < count) {
      const { value, done } = await iterator.next();
      if (done) throw new Error(`the watch ended after ${seen.join(', ')}`);
      seen.push(text(value));
    }
    return seen;
  };

  test('the bytes that are served carry the resourceVersion, those that are stored do not', async () => {
    const created = await pods.create(pod('default', 'a'));
    expect(created.bytes.toString()).toBe(
      '{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"2","name":"a","namespace":"default","uid":"uid-a","creationTimestamp":"2026-01-01T00:00:00Z","labels":{}},"spec":{"containers":[]}}',
    );
    expect((await store.get('/registry/pods/default/a'))?.value.toString()).not.toContain('resourceVersion');
    expect(created.object).toEqual(JSON.parse(created.bytes.toString()));
    expect(await pods.get('default', 'a')).toBe(created);
  });

  test('a new server reads what an old one stored', async () => {
    await pods.create(pod('default', 'a'));
    pods.close();
    const again = openResourceStorage<Pod>({ store, prefix: '/registry/pods', resource: Pod, clock });
    expect((await again.get('default', 'a'))?.object.metadata).toMatchObject({ name: 'a', resourceVersion: '2' });
    expect(again.count()).toBe(1);
  });

  test('a name that is taken is refused', async () => {
    await pods.create(pod('default', 'a'));
    await expect(pods.create(pod('default', 'a'))).rejects.toMatchObject({ reason: 'AlreadyExists', message: 'pods "a" already exists' });
  });

  test('writes are visible to the reads that follow them', async () => {
    for (let i = 0; i < 20; i++) {
      await pods.create(pod('default', `p${i}`));
      expect(names(await pods.list())).toHaveLength(i + 1);
    }
  });

  test('updates that race are all applied', async () => {
    await pods.create(pod('default', 'a', { n: '0' }));
    await Promise.all(
      Array.from({ length: 20 }, () =>
        pods.update('default', 'a', {}, ({ object }) => ({
          ...object,
          metadata: { ...object.metadata, labels: { n: String(Number(object.metadata.labels?.n) + 1) } },
        })),
      ),
    );
    expect((await pods.get('default', 'a'))?.object.metadata.labels).toEqual({ n: '20' });
  });

  test('updates that race decide a few times each, however many they are', async () => {
    await pods.create(pod('default', 'a', { n: '0' }));
    const count = 150;
    let decisions = 0;
    await Promise.all(
      Array.from({ length: count }, () =>
        pods.update('default', 'a', {}, ({ object }) => {
          decisions++;
          return { ...object, metadata: { ...object.metadata, labels: { n: String(Number(object.metadata.labels?.n) + 1) } } };
        }),
      ),
    );
    expect((await pods.get('default', 'a'))?.object.metadata.labels).toEqual({ n: String(count) });
    expect(decisions).toBeLessThanOrEqual(2 * count);
  });

  test('an update whose decision waits for another update of the same object is not kept waiting by it', async () => {
    await pods.create(pod('default', 'a'));
    let attempts = 0;
    const outer = pods.update('default', 'a', {}, async ({ object }) => {
      // As a webhook may that is asked about the object: each time but the last it writes first.
      if (++attempts <= 2) {
        const inner = relabel('default', 'a', { inner: String(attempts) });
        await Promise.all([inner, clock.advance(5000)]);
      }
      return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, outer: 'yes' } } };
    });
    expect((await outer).object.metadata.labels).toEqual({ inner: '2', outer: 'yes' });
  });

  test('an update that changes nothing keeps the resourceVersion', async () => {
    const created = await pods.create(pod('default', 'a', { x: 'y' }));
    expect((await relabel('default', 'a', { x: 'y' })).revision).toBe(created.revision);
    expect((await pods.update('default', 'a', {}, (current) => current.object)).revision).toBe(created.revision);
    expect((await relabel('default', 'a', { x: 'z' })).revision).toBe(created.revision + 1);
  });

  test('preconditions are checked in words that upstream uses', async () => {
    await pods.create(pod('default', 'a'));
    await expect(pods.delete('default', 'a', { uid: 'other' })).rejects.toThrow(
      'Operation cannot be fulfilled on pods "a": StorageError: invalid object, Code: 4, Key: /registry/pods/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: uid-a',
    );
    await expect(pods.update('default', 'a', { resourceVersion: '1' }, (c) => c.object)).rejects.toMatchObject({
      code: 409,
      message:
        'Operation cannot be fulfilled on pods "a": the object has been modified; please apply your changes to the latest version and try again',
    });
    await expect(pods.update('default', 'b', {}, (c) => c.object)).rejects.toThrow('pods "b" not found');
  });

  test('a delete answers the last state under its own revision', async () => {
    await pods.create(pod('default', 'a'));
    const deleted = await pods.delete('default', 'a', { uid: 'uid-a' });
    expect(deleted.object.metadata).toMatchObject({ name: 'a', resourceVersion: '3' });
    expect(deleted.bytes.toString()).toContain('"resourceVersion":"3"');
    expect(await pods.get('default', 'a')).toBeUndefined();
    await pods.create(pod('default', 'b'));
    await pods.update('default', 'b', {}, () => undefined);
    expect(names(await pods.list())).toEqual([]);
    expect(pods.count()).toBe(0);
  });

  test('pages show one revision, whatever is written in between', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await pods.create(pod('one', name));
    const first = await pods.list({ limit: 2 });
    expect(names(first)).toEqual(['a', 'b']);
    expect(first).toMatchObject({ revision: 6, remainingItemCount: 3 });
    expect(decodeContinueToken(first.continue ?? '')).toEqual({ revision: 6, start: 'one/b\0' });
    const cached = await pods.list({ limit: 2, continue: first.continue ?? '' });
    expect(names(cached)).toEqual(['c', 'd']);
    await pods.delete('one', 'c', {});
    await pods.create(pod('one', 'aa'));
    await relabel('one', 'd', { new: 'label' });
    const second = await pods.list({ limit: 2, continue: first.continue ?? '' });
    expect(names(second)).toEqual(['c', 'd']);
    expect(second.items[1]?.object.metadata.labels).toEqual({});
    expect(second).toMatchObject({ revision: 6, remainingItemCount: 1 });
    const third = await pods.list({ limit: 2, continue: second.continue ?? '' });
    expect(names(third)).toEqual(['e']);
    expect(third.continue).toBeUndefined();
  });

  test('pages of a selection are full as long as there is enough', async () => {
    for (let i = 0; i < 10; i++) await pods.create(pod('one', `p${i}`, { even: String(i % 2 === 0) }));
    const matches = (p: Pod) => p.metadata.labels?.even === 'true';
    const first = await pods.list({ limit: 2, matches });
    expect(names(first)).toEqual(['p0', 'p2']);
    expect(first.remainingItemCount).toBeUndefined();
    await pods.create(pod('one', 'p3a', { even: 'true' }));
    const rest = await pods.list({ matches, continue: first.continue ?? '' });
    expect(names(rest)).toEqual(['p4', 'p6', 'p8']);
    // As upstream's, a page that is full says that there are more as long as anything comes after it, selected or not.
    const last = await pods.list({ matches: (p) => p.metadata.name === 'p8', limit: 1 });
    expect(names(last)).toEqual(['p8']);
    expect(names(await pods.list({ limit: 1, continue: last.continue ?? '' }))).toEqual(['p9']);
  });

  test('a continue token that is too old says so and offers an inconsistent one', async () => {
    for (const name of ['a', 'b', 'c']) await pods.create(pod('one', name));
    const first = await pods.list({ namespace: 'one', limit: 1 });
    await pods.delete('one', 'b', {});
    await store.compact(await store.revision());
    const failure = await pods.list({ namespace: 'one', limit: 1, continue: first.continue ?? '' }).catch((error) => error);
    expect(failure).toMatchObject({ code: 410, reason: 'Expired' });
    expect(failure.message).toMatch(/^The provided continue parameter is too old to display a consistent list result\./);
    const token = failure.status.metadata.continue;
    expect(token).toBe(encodeContinueToken({ revision: -1, start: 'a\0' }));
    expect(names(await pods.list({ namespace: 'one', continue: token }))).toEqual(['c']);
    await expect(pods.list({ resourceVersion: '2', resourceVersionMatch: 'Exact' })).rejects.toThrow(
      'The resourceVersion for the provided list is too old.',
    );
    await expect(pods.list({ continue: '!' })).rejects.toMatchObject({ code: 400 });
  });

  test('a continue token ends with the history that it is of, also where nothing has changed since', async () => {
    for (const name of ['a', 'b', 'c']) await pods.create(pod('one', name));
    const first = await pods.list({ limit: 1 });
    for (const value of ['1', '2']) await store.commit([], [{ put: '/registry/other/x', value: Buffer.from(value) }]);
    const next = () => pods.list({ limit: 1, continue: first.continue ?? '' });
    await store.compact(Number(first.revision));
    expect(names(await next())).toEqual(['b']);
    await store.compact(await store.revision());
    await expect(next()).rejects.toMatchObject({ code: 410, reason: 'Expired' });
  });

  test('lists by resourceVersion', async () => {
    await pods.create(pod('one', 'a'));
    await pods.create(pod('two', 'b'));
    await pods.create(pod('one-x', 'c'));
    expect(names(await pods.list())).toEqual(['c', 'a', 'b']);
    expect(names(await pods.list({ namespace: 'one' }))).toEqual(['a']);
    expect(names(await pods.list({ resourceVersion: '0', limit: 1 }))).toHaveLength(3);
    expect(names(await pods.list({ resourceVersion: '3', resourceVersionMatch: 'Exact' }))).toEqual(['a', 'b']);
    expect(names(await pods.list({ resourceVersion: '3', limit: 5 }))).toEqual(['a', 'b']);
    expect(names(await pods.list({ resourceVersion: '3' }))).toHaveLength(3);
    expect(names(await pods.list({ name: 'b' }))).toEqual(['b']);
    expect(names(await pods.list({ namespace: 'two', name: 'a' }))).toEqual([]);
    // Of one object there are no pages, so that a limit does not make its version the very one.
    expect(names(await pods.list({ namespace: 'two', name: 'b', resourceVersion: '2', limit: 1 }))).toEqual(['b']);
    await expect(pods.list({ resourceVersion: '18446744073709551616' })).rejects.toThrow('value out of range');
    const farTooLarge = pods.list({ resourceVersion: String(2n ** 63n) }).catch((error) => error);
    const tooLarge = pods.list({ resourceVersion: '99' }).catch((error) => error);
    await clock.advance(3000);
    expect(await tooLarge).toMatchObject({
      code: 504,
      message: 'Timeout: Too large resource version: 99, current: 4',
      retryAfterSeconds: 1,
    });
    expect(await farTooLarge).toMatchObject({ message: 'Timeout: Too large resource version: 9223372036854775808, current: 4' });
    pods.close();
    const anew = openResourceStorage<Pod>({ store, prefix: '/registry/pods', resource: Pod, clock, readsAnew: true });
    expect(names(await anew.list({ resourceVersion: '0', limit: 1 }))).toHaveLength(1);
    anew.close();
  });

  test('an indexed field narrows lists and watches', async () => {
    await pods.create(pod('one', 'a', {}, 'n1'));
    await pods.create(pod('one', 'b'));
    const options = { indexed: { field: 'spec.nodeName', value: 'n1' }, matches: (p: Pod) => p.spec?.nodeName === 'n1' };
    expect(names(await pods.list(options))).toEqual(['a']);
    const iterator = watching(options);
    expect(await take(iterator, 1)).toEqual(['ADDED a 2']);
    await pods.update('one', 'b', {}, ({ object }) => ({ ...object, spec: { containers: [], nodeName: 'n1' } }));
    await pods.delete('one', 'a', {});
    expect(await take(iterator, 2)).toEqual(['ADDED b 4', 'DELETED a 5']);
  });

  test('a watch without a version begins with what is there', async () => {
    await pods.create(pod('one', 'a'));
    const iterator = watching({});
    expect(await take(iterator, 1)).toEqual(['ADDED a 2']);
    await pods.create(pod('two', 'b'));
    await relabel('one', 'a', { x: 'y' });
    await pods.delete('one', 'a', {});
    expect(await take(iterator, 3)).toEqual(['ADDED b 3', 'MODIFIED a 4', 'DELETED a 5']);
  });

  test('a watch from a version continues after it, and one of a namespace or a name sees no others', async () => {
    await pods.create(pod('one', 'a'));
    await pods.create(pod('two', 'b'));
    const all = watching({ resourceVersion: '2' });
    const one = watching({ resourceVersion: '1', namespace: 'one' });
    const single = watching({ resourceVersion: '2', namespace: 'two', name: 'b' });
    expect(await take(all, 1)).toEqual(['ADDED b 3']);
    expect(await take(one, 1)).toEqual(['ADDED a 2']);
    await relabel('one', 'a', { x: '1' });
    await relabel('two', 'b', { x: '2' });
    expect(await take(single, 2)).toEqual(['ADDED b 3', 'MODIFIED b 5']);
    expect(await take(all, 2)).toEqual(['MODIFIED a 4', 'MODIFIED b 5']);
  });

  test('an object that enters a selection is ADDED, one that leaves it DELETED with its last selected state', async () => {
    await pods.create(pod('one', 'a', { app: 'web' }));
    const iterator = watching({ matches: (p) => p.metadata.labels?.app === 'web' });
    expect(await take(iterator, 1)).toEqual(['ADDED a 2']);
    await relabel('one', 'a', { app: 'other' });
    const left = await iterator.next();
    expect(text(left.value as StorageWatchEvent<Pod>)).toBe('DELETED a 3');
    expect(left.value).toMatchObject({ item: { object: { metadata: { labels: { app: 'web' }, resourceVersion: '3' } } } });
    await relabel('one', 'a', { app: 'web', v: '2' });
    expect(await take(iterator, 1)).toEqual(['ADDED a 4']);
  });

  test('who comes late is told what memory has let go of, as it was', async () => {
    const big = { 'example.com/much': 'x'.repeat(300_000) };
    const selection = { matches: (p: Pod) => p.metadata.labels?.app === 'web' };
    const [all, some] = [watching({ resourceVersion: '1' }), watching({ resourceVersion: '1', ...selection })];
    for (const round of [1, 2]) {
      for (const name of ['a', 'b', 'c']) {
        const { metadata, ...rest } = pod('one', name, { app: 'web', round: `${round}` });
        await pods.create({ ...rest, metadata: { ...metadata, annotations: big } });
        await relabel('one', name, { app: 'other' });
        await relabel('one', name, { app: 'web' });
      }
      await pods.delete('one', 'b', {});
      if (round === 1) for (const name of ['a', 'c']) await pods.delete('one', name, {});
    }
    const told = async (iterator: AsyncIterator<StorageWatchEvent<Pod>>, count: number) => {
      const events: unknown[] = [];
      for (let i = 0; i < count; i++) {
        const { value } = await iterator.next();
        events.push([text(value), value.item.object]);
      }
      return events;
    };
    const [allEvents, someEvents] = [await told(all, 22), await told(some, 22)];
    expect(await told(watching({ resourceVersion: '1' }), 22)).toEqual(allEvents);
    expect(await told(watching({ resourceVersion: '1', ...selection }), 22)).toEqual(someEvents);
    // In the middle, between a deletion and what was made anew.
    expect(await told(watching({ resourceVersion: '13', ...selection }), 10)).toEqual(someEvents.slice(12));
    await store.compact(5);
    await expect(watching({ resourceVersion: '2' }).next()).rejects.toMatchObject({ code: 410, reason: 'Expired' });
    expect(await told(watching({ resourceVersion: '6' }), 17)).toEqual(allEvents.slice(5));
  });

  test('a version older than what is kept is 410', async () => {
    for (let i = 0; i < 150; i++) await pods.create(pod('one', `p${i}`));
    await clock.advance(76_000);
    await pods.create(pod('one', 'last'));
    await pods.list();
    await expect(watching({ resourceVersion: '3' }).next()).rejects.toMatchObject({
      code: 410,
      reason: 'Expired',
      message: 'too old resource version: 3 (52)',
    });
  });

  test('sendInitialEvents ends the present objects with a bookmark; further ones come each minute and before the end', async () => {
    await pods.create(pod('one', 'a'));
    const iterator = watching({ sendInitialEvents: true, bookmarks: true, timeoutSeconds: 100 });
    expect(await take(iterator, 2)).toEqual(['ADDED a 2', 'BOOKMARK 2 end']);
    await store.commit([], [{ put: '/registry/other/x', value: Buffer.from('{}') }]);
    await pods.list();
    await clock.advance(60_000);
    expect(await take(iterator, 1)).toEqual(['BOOKMARK 3']);
    await clock.advance(38_000);
    expect(await take(iterator, 1)).toEqual(['BOOKMARK 3']);
  });

  test('a reader that is too slow is cut off', async () => {
    const iterator = watching({});
    const first = iterator.next();
    await pods.create(pod('one', 'a'));
    await first;
    for (let i = 0; i < 60; i++) await pods.create(pod('one', `p${i}`));
    await pods.list();
    expect(await iterator.next()).toMatchObject({ done: true });
    expect(await take(watching({ resourceVersion: '2' }), 1)).toEqual(['ADDED p0 3']);
    expect(counts).toEqual({ dispatched: 61, terminated: 1 });
  });

  test('a watch ends with its signal, its storage and its store', async () => {
    const aborted = new AbortController();
    const first = pods.watch({ signal: aborted.signal, bookmarks: true })[Symbol.asyncIterator]().next();
    await pods.list();
    aborted.abort();
    expect(await first).toMatchObject({ done: true });
    const nodes = openResourceStorage<Node>({ store, prefix: '/registry/minions', resource: Node, clock });
    const second = nodes.watch({ signal: controller.signal })[Symbol.asyncIterator]().next();
    const third = watching({}).next();
    await nodes.list();
    await pods.list();
    nodes.close();
    expect(await second).toMatchObject({ done: true });
    await store.close();
    expect(await third).toMatchObject({ done: true });
  });

  test('cluster-scoped objects have no namespace in their key, and two resources do not mix', async () => {
    const nodes = openResourceStorage<Node>({ store, prefix: '/registry/minions', resource: Node, clock });
    await nodes.create({ kind: 'Node', apiVersion: 'v1', metadata: meta('n1'), spec: {} });
    await pods.create(pod('one', 'a'));
    expect((await store.range('/registry/minions/')).values.map((v) => v.key)).toEqual(['/registry/minions/n1']);
    expect(names(await nodes.list())).toEqual(['n1']);
    const iterator = nodes.watch({ name: 'n1', signal: controller.signal })[Symbol.asyncIterator]();
    expect(await iterator.next()).toMatchObject({ value: { type: 'ADDED' } });
    await nodes.delete('', 'n1', {});
    expect(await iterator.next()).toMatchObject({ value: { type: 'DELETED' } });
  });

  test('objects with a time to live vanish after it', async () => {
    const events = openResourceStorage<Event>({ store, prefix: '/registry/events', resource: Event, clock, ttlSeconds: () => 3600 });
    await events.create({
      kind: 'Event',
      apiVersion: 'v1',
      metadata: meta('e', 'one'),
      involvedObject: {},
    });
    const iterator = events.watch({ signal: controller.signal })[Symbol.asyncIterator]();
    expect(await iterator.next()).toMatchObject({ value: { type: 'ADDED' } });
    await clock.advance(3_700_000);
    expect(await iterator.next()).toMatchObject({ value: { type: 'DELETED' } });
    expect(names(await events.list())).toEqual([]);
  });

  test('an update starts the time to live over, one that changes nothing does not', async () => {
    const events = openResourceStorage<Event>({ store, prefix: '/registry/events', resource: Event, clock, ttlSeconds: () => 3600 });
    for (const name of ['renewed', 'left']) {
      await events.create({ kind: 'Event', apiVersion: 'v1', metadata: meta(name, 'default'), involvedObject: {} });
    }
    await clock.advance(1_800_000);
    await events.update('default', 'renewed', {}, ({ object }) => ({ ...object, count: 2 }));
    await events.update('default', 'left', {}, ({ object }) => ({ ...object }));
    const iterator = events.watch({ resourceVersion: String(await store.revision()), signal: controller.signal })[Symbol.asyncIterator]();
    for (const name of ['left', 'renewed']) {
      await clock.advance(2_000_000);
      expect(await iterator.next()).toMatchObject({ value: { type: 'DELETED', item: { object: { metadata: { name } } } } });
      expect(names(await events.list())).toEqual(name === 'left' ? ['renewed'] : []);
    }
  });

  test('when the watch of the store is lost, watches end and the cache is read anew', async () => {
    const broken = new AbortController();
    let failures = 1;
    const flaky: Store = {
      ...store,
      async *watch(prefix, options) {
        for await (const batch of store.watch(prefix, { ...options, signal: AbortSignal.any([broken.signal]) })) yield batch;
        if (failures-- > 0) throw new CompactedError(1);
        yield* store.watch(prefix, options);
      },
    };
    const storage = openResourceStorage<Pod>({ store: flaky, prefix: '/registry/pods', resource: Pod, clock });
    await storage.create(pod('one', 'a'));
    const iterator = storage.watch({ signal: controller.signal })[Symbol.asyncIterator]();
    expect(await iterator.next()).toMatchObject({ value: { type: 'ADDED' } });
    const next = iterator.next();
    broken.abort();
    expect(await next).toMatchObject({ done: true });
    await store.commit([], [{ delete: '/registry/pods/one/a' }]);
    await pods.create(pod('one', 'missed'));
    const relisted = storage.list();
    await clock.advance(1000);
    expect(names(await relisted)).toEqual(['missed']);
    await storage.create(pod('one', 'seen'));
    expect(names(await storage.list())).toEqual(['missed', 'seen']);
    storage.close();
  });
});

const v4 = { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' };
test.each<[object, Partial<Record<keyof ServiceSpec, unknown>>]>([
  [{ clusterIP: '10.0.0.1' }, { type: 'ClusterIP', clusterIPs: ['10.0.0.1'], ...v4, internalTrafficPolicy: 'Cluster' }],
  [
    { clusterIP: 'None', selector: { a: 'b' } },
    { clusterIPs: ['None'], ...v4 },
  ],
  [{ clusterIP: 'None' }, { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' }],
  [
    { type: 'ExternalName', internalTrafficPolicy: 'Cluster' },
    { internalTrafficPolicy: undefined, ipFamilies: undefined },
  ],
])('a Service that an old server has stored as %j is read as a whole one', (spec, expected) => {
  const kind = kinds.find(({ resource }) => resource === Service);
  if (!kind) throw new Error('there is no kind Service');
  const value = Buffer.from(JSON.stringify({ kind: 'Service', apiVersion: 'v1', metadata: { name: 'a' }, spec }));
  const read = JSON.parse(storedForm(kind).read(value).json.toString()) as Service;
  for (const field of Object.keys(expected) as (keyof ServiceSpec)[]) expect(read.spec[field]).toEqual(expected[field]);
});

test('custom resources are kept in CBOR where that is spoken, and read in either form', () => {
  const resource = { group: 'a.example.com', version: 'v1', kind: 'Bar', plural: 'bars', singular: 'bar', namespaced: false };
  const kind = { resource, custom: {} } as unknown as KindDefinition;
  const stored = { apiVersion: 'a.example.com/v1', kind: 'Bar', metadata: { name: 'a' }, half: 0.5, long: 9007199254740993n };
  const object = { ...stored, metadata: { name: 'a', resourceVersion: '7' } } as unknown as KubeObject;
  const json = encodeObject(stored as unknown as KubeObject);
  const [inJson, inCbor] = [storedForm(kind), storedForm(kind, { cbor: true })];
  expect(inJson.write(object, json)).toBe(json);
  const value = inCbor.write(object, json);
  expect(value.subarray(0, 3)).toEqual(Buffer.from([0xd9, 0xd9, 0xf7]));
  expect(inCbor.read(value)).toEqual({ json, isCurrent: true });
  expect(inJson.read(value)).toEqual({ json, isCurrent: false });
  expect(inCbor.read(json)).toEqual({ json, isCurrent: false });
});

test.each([
  ['admissionregistration.k8s.io/v1beta1', 'ValidatingWebhookConfiguration'],
  ['apiextensions.k8s.io/v1beta1', 'CustomResourceDefinition'],
])('what an old server has stored in %s is read though that version is not served', (apiVersion, kindName) => {
  const served = servedKinds(kinds, parseRuntimeConfig('api/removed=false', kinds));
  const kind = served.find(({ resource }) => resource.kind === kindName && apiVersion.startsWith(`${resource.group}/`));
  if (!kind) throw new Error(`there is no kind ${kindName}`);
  const { json } = storedForm(kind).read(
    Buffer.from(JSON.stringify({ kind: kindName, apiVersion, metadata: { name: 'a' }, spec: { names: {} } })),
  );
  expect(JSON.parse(json.toString())).toMatchObject({ apiVersion: apiVersion.replace('v1beta1', 'v1') });
});
