/** What every engine must do. Each engine's test calls `storeContract` with a way to open an empty store. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../time/index.ts';
import { VirtualClock } from '../time/index.ts';
import { RequestTooLargeError, type Store, type StoreEvent, type WatchBatch } from './store.ts';

export interface ContractOptions {
  /** Leases are timed by the clock given to `open`; false where the engine keeps its own time (etcd). */
  virtualTime?: boolean;
  /** Whether a watch may begin with the very revision that was compacted to; false where that is refused (etcd). */
  watchesCompacted?: boolean;
}

export function storeContract(name: string, open: (clock: Clock) => Promise<Store>, options: ContractOptions = {}): void {
  const { virtualTime = true, watchesCompacted = true } = options;
  describe(`store contract: ${name}`, () => {
    let clock: VirtualClock;
    let store: Store;

    beforeEach(async () => {
      clock = new VirtualClock();
      store = await open(clock);
    });
    afterEach(() => store.close());

    const bytes = (text: string) => Buffer.from(text);
    const put = async (key: string, value: string, lease?: number) => {
      const result = await store.commit([], [{ put: key, value: bytes(value), ...(lease ? { lease } : {}) }]);
      expect(result.ok).toBe(true);
      return result.revision;
    };
    const remove = async (key: string) => (await store.commit([], [{ delete: key }])).revision;
    const keysOf = (values: { key: string }[]) => values.map((v) => v.key);
    const text = (event: StoreEvent) => `${event.type} ${event.key}=${event.value?.toString() ?? ''}@${event.modRevision}`;

    /** Lets a watch that has just been asked for its first batch get as far as it can: to a store across a network and back. */
    const settled = async (_pending: Promise<unknown>) => {
      await new Promise((resolve) => setImmediate(resolve));
      await store.revision();
    };

    /** Reads a watch until it has seen everything up to `revision`. */
    const readUntil = async (iterator: AsyncIterator<WatchBatch>, revision: number): Promise<StoreEvent[]> => {
      const events: StoreEvent[] = [];
      for (;;) {
        const { value, done } = await iterator.next();
        if (done) throw new Error('the watch ended');
        events.push(...value.events);
        if (value.revision >= revision) return events;
      }
    };

    test('the first write of an empty store gets revision 2, and each commit one more', async () => {
      expect(await store.revision()).toBe(1);
      expect(await put('/a', '1')).toBe(2);
      expect(await put('/a', '2')).toBe(3);
      expect(await store.revision()).toBe(3);
      const value = await store.get('/a');
      expect({ ...value, value: value?.value.toString() }).toEqual({
        key: '/a',
        value: '2',
        createRevision: 2,
        modRevision: 3,
        version: 2,
        lease: 0,
      });
    });

    test('a delete of what is not there changes nothing', async () => {
      await put('/a', '1');
      const result = await store.commit([], [{ delete: '/missing' }]);
      expect(result).toEqual({ ok: true, revision: 2 });
    });

    test('a key that is created again starts over', async () => {
      await put('/a', '1');
      await remove('/a');
      expect(await store.get('/a')).toBeUndefined();
      await put('/a', '2');
      expect(await store.get('/a')).toMatchObject({ createRevision: 4, modRevision: 4, version: 1 });
    });

    test('a commit whose conditions do not hold writes nothing and says what is there', async () => {
      await put('/a', '1');
      const result = await store.commit(
        [
          { key: '/a', modRevision: 7 },
          { key: '/b', modRevision: 0 },
        ],
        [{ put: '/b', value: bytes('x') }],
      );
      expect(result).toMatchObject({ ok: false, revision: 2 });
      if (!result.ok) expect(result.current.map((v) => v?.value.toString())).toEqual(['1', undefined]);
      expect(await store.get('/b')).toBeUndefined();
      expect((await store.commit([{ key: '/a', modRevision: 2 }], [{ put: '/a', value: bytes('2') }])).ok).toBe(true);
    });

    test('of many concurrent creations of one key exactly one succeeds', async () => {
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) => store.commit([{ key: '/one', modRevision: 0 }], [{ put: '/one', value: bytes(`${i}`) }])),
      );
      expect(results.filter((r) => r.ok)).toHaveLength(1);
      expect(await store.revision()).toBe(2);
    });

    test('concurrent compare-and-set counts without losing any', async () => {
      await put('/n', '0');
      const increment = async () => {
        for (;;) {
          const now = await store.get('/n');
          const next = bytes(String(Number(now?.value.toString()) + 1));
          if ((await store.commit([{ key: '/n', modRevision: now?.modRevision ?? 0 }], [{ put: '/n', value: next }])).ok) return;
        }
      };
      await Promise.all(Array.from({ length: 20 }, increment));
      expect((await store.get('/n'))?.value.toString()).toBe('20');
    });

    test('the operations of a commit share its revision', async () => {
      await put('/a', '1');
      const { revision } = await store.commit([], [{ put: '/b', value: bytes('b') }, { delete: '/a' }, { put: '/c', value: bytes('c') }]);
      expect(revision).toBe(3);
      expect(keysOf((await store.range('/')).values)).toEqual(['/b', '/c']);
      const events = await readUntil(store.watch('/', { fromRevision: 3 })[Symbol.asyncIterator](), 3);
      expect(events.map((e) => `${e.type} ${e.key}@${e.modRevision}`).sort()).toEqual(['delete /a@3', 'put /b@3', 'put /c@3']);
    });

    test('a commit may name a key once', async () => {
      await expect(store.commit([], [{ put: '/a', value: bytes('1') }, { delete: '/a' }])).rejects.toThrow('duplicate key');
    });

    test('ranges go by prefix in byte order and by pages', async () => {
      for (const key of ['/p/b', '/p/a', '/p/a-b', '/p/a/x', '/pq', '/p/ü', '/p/😀', '/p/\ue000', '/o']) await put(key, key);
      const all = ['/p/a', '/p/a-b', '/p/a/x', '/p/b', '/p/ü', '/p/\ue000', '/p/😀'];
      expect(await store.range('/p/')).toMatchObject({ revision: 10, count: 7, more: false });
      expect(keysOf((await store.range('/p/')).values)).toEqual(all);
      const first = await store.range('/p/', { limit: 2 });
      expect(first).toMatchObject({ count: 7, more: true });
      expect(keysOf(first.values)).toEqual(all.slice(0, 2));
      const rest = await store.range('/p/', { startKey: '/p/a-b\0' });
      expect(keysOf(rest.values)).toEqual(all.slice(2));
      expect(rest.count).toBe(5);
      expect(await store.range('/p/', { countOnly: true })).toMatchObject({ count: 7, values: [] });
      expect(await store.range('/p/', { countOnly: true, startKey: '/p/a\0' })).toMatchObject({ count: 6 });
    });

    test('reads at a revision see the store as it was', async () => {
      await put('/r/a', 'a1');
      await put('/r/b', 'b1');
      const then = await put('/r/c', 'c1');
      await put('/r/a', 'a2');
      await remove('/r/b');
      await put('/r/d', 'd1');
      await put('/r/b', 'b2');
      await put('/r/a', 'a3');
      const past = await store.range('/r/', { revision: then });
      expect(past).toMatchObject({ revision: then, count: 3, more: false });
      expect(past.values.map((v) => v.value.toString())).toEqual(['a1', 'b1', 'c1']);
      expect(past.values.map((v) => v.modRevision)).toEqual([2, 3, 4]);
      const page = await store.range('/r/', { revision: then, limit: 2 });
      expect(keysOf(page.values)).toEqual(['/r/a', '/r/b']);
      expect(page).toMatchObject({ count: 3, more: true });
      expect(keysOf((await store.range('/r/', { revision: then, startKey: '/r/b\0' })).values)).toEqual(['/r/c']);
      expect((await store.range('/r/', { revision: then + 2 })).values.map((v) => v.value.toString())).toEqual(['a2', 'c1']);
      expect((await store.get('/r/b', { revision: then }))?.value.toString()).toBe('b1');
      expect(await store.get('/r/b', { revision: then + 2 })).toBeUndefined();
      expect((await store.get('/r/a', { revision: then + 1 }))?.value.toString()).toBe('a2');
      expect(await store.get('/r/d', { revision: then })).toBeUndefined();
      await expect(store.range('/r/', { revision: 99 })).rejects.toThrow('future revision');
    });

    test('compaction forgets the past and keeps the present', async () => {
      await put('/c/a', '1');
      await put('/c/b', '1');
      await put('/c/a', '2');
      await remove('/c/b');
      const kept = await put('/c/c', '1');
      await put('/c/a', '3');
      await store.compact(kept);
      await expect(store.range('/c/', { revision: kept - 1 })).rejects.toMatchObject({ name: 'CompactedError' });
      expect((await store.range('/c/', { revision: kept })).values.map((v) => v.value.toString())).toEqual(['2', '1']);
      expect((await store.range('/c/')).values.map((v) => v.value.toString())).toEqual(['3', '1']);
      await expect(
        store
          .watch('/c/', { fromRevision: kept - 1 })
          [Symbol.asyncIterator]()
          .next(),
      ).rejects.toMatchObject({
        name: 'CompactedError',
      });
      const from = watchesCompacted ? kept : kept + 1;
      const events = await readUntil(store.watch('/c/', { fromRevision: from })[Symbol.asyncIterator](), kept + 1);
      expect(events.map(text)).toEqual([`put /c/c=1@${kept}`, `put /c/a=3@${kept + 1}`].slice(from - kept));
      await expect(store.compact(kept)).rejects.toMatchObject({ name: 'CompactedError' });
      await expect(store.compact(99)).rejects.toMatchObject({ name: 'FutureRevisionError' });
      await store.compact(kept + 1);
      expect((await store.range('/c/')).values.map((v) => v.value.toString())).toEqual(['3', '1']);
    });

    test('a watch begins with the next revision, or with the one asked for', async () => {
      await put('/w/a', '1');
      const fromNow = store.watch('/w/')[Symbol.asyncIterator]();
      const first = fromNow.next();
      const fromStart = store.watch('/w/', { fromRevision: 2 })[Symbol.asyncIterator]();
      await settled(first);
      await put('/other', 'x');
      await put('/w/a', '2');
      const last = await remove('/w/a');
      const begun = (await first).value as WatchBatch;
      const events = [...begun.events, ...(begun.revision >= last ? [] : await readUntil(fromNow, last))];
      expect(events.map((e) => `${e.type}@${e.modRevision}`)).toEqual(['put@4', 'delete@5']);
      const all = await readUntil(fromStart, last);
      expect(all.map((e) => `${e.type}@${e.modRevision}`)).toEqual(['put@2', 'put@4', 'delete@5']);
      expect(all.at(-1)?.value?.toString()).toBe('2');
      expect(all[0]).toMatchObject({ key: '/w/a', createRevision: 2, version: 1 });
    });

    test('watches that start at any time miss nothing, repeat nothing and keep the order', async () => {
      const total = 400;
      const seen: Promise<StoreEvent[]>[] = [];
      const writers = Array.from({ length: 8 }, async (_, w) => {
        for (let i = 0; i < total / 8; i++) {
          await store.commit([], [{ put: `/s/${w}`, value: bytes(`${i}`) }]);
          if (i % 10 === 0) seen.push(readUntil(store.watch('/s/', { fromRevision: 2 })[Symbol.asyncIterator](), total + 1));
        }
      });
      await Promise.all(writers);
      const expected = Array.from({ length: total }, (_, i) => i + 2);
      for (const events of await Promise.all(seen)) expect(events.map((e) => e.modRevision)).toEqual(expected);
    });

    test('a watch that sees no events of its own still learns how far it has seen', async () => {
      const iterator = store.watch('/quiet/', { fromRevision: 2 })[Symbol.asyncIterator]();
      const last = await put('/noise', '1');
      expect(await readUntil(iterator, last)).toEqual([]);
      const pending = readUntil(iterator, last + 1);
      await put('/noise', '2');
      expect(await pending).toEqual([]);
    });

    test('a reader far behind is given everything, until history is compacted away', async () => {
      const patient = store.watch('/f/', { fromRevision: 2 })[Symbol.asyncIterator]();
      const late = store.watch('/f/', { fromRevision: 2 })[Symbol.asyncIterator]();
      await put('/f/0', 'x');
      await patient.next();
      await late.next();
      for (let i = 0; i < 30; i++) await Promise.all(Array.from({ length: 100 }, (_, j) => put(`/f/${j}`, `${i}`)));
      const events = await readUntil(patient, 3002);
      expect(events.map((e) => e.modRevision)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 3));
      await store.compact(3002);
      await expect(readUntil(late, 3002)).rejects.toMatchObject({ name: 'CompactedError' });
    });

    test('a watch ends quietly when its signal is aborted and when the store closes', async () => {
      const controller = new AbortController();
      const aborted = store.watch('/', { signal: controller.signal })[Symbol.asyncIterator]().next();
      await settled(aborted);
      controller.abort();
      expect(await aborted).toMatchObject({ done: true });
      const open = store.watch('/')[Symbol.asyncIterator]().next();
      await settled(open);
      await store.close();
      expect(await open).toMatchObject({ done: true });
      await expect(store.get('/')).rejects.toMatchObject({ name: 'StoreClosedError' });
      await expect(store.commit([], [{ put: '/x', value: bytes('') }])).rejects.toMatchObject({ name: 'StoreClosedError' });
    });

    test('writes asked for before the close are answered', async () => {
      const writes = Array.from({ length: 20 }, (_, i) => put(`/z/${i}`, ''));
      const closing = store.close();
      expect(await Promise.all(writes)).toHaveLength(20);
      await closing;
    });

    test('a revoked lease takes its keys along', async () => {
      const { id } = await store.grantLease(60);
      await put('/l/a', '1', id);
      await put('/l/b', '1', id);
      await put('/l/b', '2');
      await put('/l/c', '1');
      expect((await store.get('/l/a'))?.lease).toBe(id);
      expect((await store.leases()).find((l) => l.id === id)).toMatchObject({ grantedTtlSeconds: 60, keys: ['/l/a'] });
      await store.revokeLease(id);
      expect(keysOf((await store.range('/l/')).values)).toEqual(['/l/b', '/l/c']);
      await expect(store.revokeLease(id)).rejects.toMatchObject({ name: 'LeaseNotFoundError' });
      await expect(store.keepAlive(id)).rejects.toMatchObject({ name: 'LeaseNotFoundError' });
      await expect(store.commit([], [{ put: '/l/d', value: bytes(''), lease: id }])).rejects.toMatchObject({ name: 'LeaseNotFoundError' });
    });

    test.runIf(virtualTime)('a lease that is not kept alive ends, and its keys with it', async () => {
      const kept = await store.grantLease(10);
      const left = await store.grantLease(10);
      await put('/e/kept', '1', kept.id);
      await put('/e/left', '1', left.id);
      const iterator = store.watch('/e/')[Symbol.asyncIterator]();
      await clock.advance(9000);
      expect(await store.keepAlive(kept.id)).toEqual({ ttlSeconds: 10 });
      const deleted = readUntil(iterator, (await store.revision()) + 1);
      await clock.advance(2000);
      expect((await deleted).map((e) => `${e.type} ${e.key}`)).toEqual(['delete /e/left']);
      expect(keysOf((await store.range('/e/')).values)).toEqual(['/e/kept']);
      expect((await store.leases()).map((l) => l.id)).toEqual([kept.id]);
    });

    test('reads see what was answered before, also through another reader', async () => {
      for (let i = 0; i < 50; i++) {
        const [a, b] = await Promise.all([put('/linear/a', `${i}`), put('/linear/b', `${i}`)]);
        const [range, value, revision] = await Promise.all([store.range('/linear/'), store.get('/linear/a'), store.revision()]);
        expect(range.values.map((v) => v.value.toString())).toEqual([`${i}`, `${i}`]);
        expect(value?.value.toString()).toBe(`${i}`);
        expect(Math.min(range.revision, revision)).toBeGreaterThanOrEqual(Math.max(a, b));
      }
    });

    test('a commit of up to 1.5 MiB is taken and a larger one refused, which changes nothing', async () => {
      const value = Buffer.alloc(1_500_000, 'x');
      const taken = await store.commit([], [{ put: '/large', value }]);
      expect((await store.get('/large'))?.value.equals(value)).toBe(true);
      const refused = [
        { put: '/before', value: bytes('x') },
        { put: '/larger', value: Buffer.alloc(1_700_000) },
      ];
      await expect(store.commit([], refused)).rejects.toThrow(RequestTooLargeError);
      expect((await store.commit([], [{ put: '/large', value: bytes('small') }])).revision).toBe(taken.revision + 1);
      expect(await store.get('/before')).toBeUndefined();
    });

    test('a key of 1,900 bytes is a key like any other', async () => {
      const { id } = await store.grantLease(60);
      const key = `/${'k'.repeat(1899)}`;
      await put(key, '1', id);
      await put(`/${'ü'.repeat(949)}`, '1');
      expect((await store.get(key))?.value.toString()).toBe('1');
      expect(keysOf((await store.range('/k')).values)).toEqual([key]);
      await store.revokeLease(id);
      expect(await store.get(key)).toBeUndefined();
      await expect(store.commit([], [{ put: '', value: bytes('') }])).rejects.toThrow('key is not provided');
    });

    test('commits beside one that is refused are not touched by it', async () => {
      const results = await Promise.allSettled([
        store.commit([], [{ put: '/beside/a', value: bytes('1') }]),
        store.commit([], [{ put: '/beside/x', value: bytes('1'), lease: 987_654 }]),
        store.commit([], [{ put: '/beside/y', value: Buffer.alloc(1_700_000) }]),
        store.commit([], [{ put: '/beside/w', value: Buffer.alloc(2_200_000) }]),
        store.commit([{ key: '/beside/a', modRevision: 99 }], [{ put: '/beside/z', value: bytes('1') }]),
        store.commit([], [{ put: '/beside/b', value: bytes('1') }]),
      ]);
      expect(results.map((r) => (r.status === 'rejected' ? r.reason.message : r.value.ok))).toEqual([
        true,
        expect.stringContaining('requested lease not found'),
        expect.stringContaining('request is too large'),
        expect.stringMatching(/^rpc error: code = ResourceExhausted desc = trying to send message larger than max \(\d+ vs. 2097152\)$/),
        false,
        true,
      ]);
      expect(keysOf((await store.range('/beside/')).values)).toEqual(['/beside/a', '/beside/b']);
      expect(await store.revision()).toBe(3);
    });

    test('a watch that is under way outlives a compaction of what it has seen', async () => {
      const iterator = store.watch('/across/', { fromRevision: 2 })[Symbol.asyncIterator]();
      for (let i = 0; i < 5; i++) await put('/across/a', `${i}`);
      expect(await readUntil(iterator, 6)).toHaveLength(5);
      await store.compact(6);
      const last = await put('/across/a', 'last');
      expect((await readUntil(iterator, last)).map(text)).toEqual([`put /across/a=last@${last}`]);
    });

    test('a watch that is left while events come takes nothing along', async () => {
      for (let i = 0; i < 20; i++) {
        const iterator = store.watch('/left/')[Symbol.asyncIterator]();
        const first = iterator.next();
        await settled(first);
        await put('/left/a', `${i}`);
        await first;
        await iterator.return?.();
      }
      const controller = new AbortController();
      const endless = (async () => {
        let seen = 0;
        for await (const { events } of store.watch('/left/', { fromRevision: 2, signal: controller.signal })) {
          seen += events.length;
          if (seen >= 20) controller.abort();
        }
        return seen;
      })();
      expect(await endless).toBe(20);
      expect((await store.get('/left/a'))?.version).toBe(20);
    });

    test('says how big it is', async () => {
      await put('/a', 'x'.repeat(1000));
      expect(await store.sizeBytes()).toBeGreaterThan(1000);
    });
  });
}
