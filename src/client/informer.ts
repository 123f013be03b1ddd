/**
 * An informer keeps a cache equal to what the server has of one resource, by one list and a watch that goes on from it, and
 * tells its handlers of each change. The cache is always at least as new as what a handler has been told. When the watch's
 * start has been compacted away (410), it lists again and tells the difference.
 */
import type { Logger } from 'pino';
import type { KubeObject, Resource } from '../api/index.ts';
import { hasReason, StatusError } from '../api/index.ts';
import type { Clock, Random, Timer } from '../time/index.ts';
import { createBackoff } from './backoff.ts';
import type { Client, WatchEvent } from './client.ts';
import { type IndexFunction, keyOf, type Lister, ObjectCache } from './object-cache.ts';

/** Called in order, synchronously, after the cache has changed. Handlers look and enqueue; they do not wait and must not throw. */
export interface InformerHandler<T extends KubeObject> {
  add?(object: T): void;
  /** Also called by a resync, with the same object twice. */
  update?(object: T, previous: T): void;
  /** `object` is the last state that was seen; with `finalStateUnknown` the deletion itself was missed, and it may be stale. */
  delete?(object: T, finalStateUnknown: boolean): void;
  /** Once, when the handler has been told of everything that the first list held. */
  synced?(): void;
}

export interface InformerOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Read the initial state through the watch (`sendInitialEvents`, KEP-3157) instead of a list. Falls back to a list where the server refuses. */
  streamingList?: boolean;
}

export interface Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly lister: Lister<T>;
  readonly synced: boolean;
  /** Adds a handler, first telling it of what is in the cache. The returned function removes it. */
  addHandler(handler: InformerHandler<T>, options?: { resyncMs?: number }): () => void;
  addIndex(name: string, of: IndexFunction<T>): void;
  /** Rejects with the signal's reason when it is aborted first. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Lists and watches until the signal is aborted. Rejects only when a handler threw. */
  run(signal: AbortSignal): Promise<void>;
}

export interface InformerContext {
  client: Client;
  clock: Clock;
  random: Random;
  logger?: Logger | undefined;
}

const minWatchTimeoutSeconds = 300;
const listPageSize = 500;
/** A watch that ends sooner than this without an event is a failure: watching again at once would spin. */
const shortWatchMs = 1000;
const initialEventsEnd = 'k8s.io/initial-events-end';

/** Marks an exception that a handler threw, so that it is not taken for one of the connection. */
class HandlerFailure extends Error {}

export function createInformer<T extends KubeObject>(
  context: InformerContext,
  resource: Resource<T>,
  options: InformerOptions = {},
): Informer<T> {
  const { client, clock, random, logger } = context;
  const selection = {
    ...(options.namespace ? { namespace: options.namespace } : {}),
    ...(options.labelSelector ? { labelSelector: options.labelSelector } : {}),
    ...(options.fieldSelector ? { fieldSelector: options.fieldSelector } : {}),
  };
  const cache = new ObjectCache<T>();
  const handlers = new Set<InformerHandler<T>>();
  const resyncs = new Map<InformerHandler<T>, Timer>();
  const whenSynced = Promise.withResolvers<void>();
  let isSynced = false;
  let streaming = options.streamingList ?? false;

  const tell = (call: (handler: InformerHandler<T>) => void): void => {
    for (const handler of [...handlers]) {
      try {
        call(handler);
      } catch (cause) {
        throw new HandlerFailure(`a handler of the ${resource.plural} informer threw`, { cause });
      }
    }
  };

  const put = (object: T): void => {
    const previous = cache.getByKey(keyOf(object));
    if (!previous) {
      cache.set(object);
      tell((h) => h.add?.(object));
    } else if (previous.metadata.uid !== object.metadata.uid) {
      remove(keyOf(object), previous, true);
      cache.set(object);
      tell((h) => h.add?.(object));
    } else if (previous.metadata.resourceVersion !== object.metadata.resourceVersion) {
      cache.set(object);
      tell((h) => h.update?.(object, previous));
    }
  };

  const remove = (key: string, last: T, finalStateUnknown: boolean): void => {
    if (cache.delete(key)) tell((h) => h.delete?.(last, finalStateUnknown));
  };

  /** Makes the cache equal to a whole state. */
  const replace = (objects: readonly T[]): void => {
    const present = new Set(objects.map(keyOf));
    for (const key of [...cache.keys()]) {
      const last = cache.getByKey(key);
      if (last && !present.has(key)) remove(key, last, true);
    }
    for (const object of objects) put(object);
    if (isSynced) return;
    isSynced = true;
    tell((h) => h.synced?.());
    whenSynced.resolve();
  };

  /** Lists everything; answers the version that a watch goes on from. */
  const listAll = async (resourceVersion: string, signal: AbortSignal): Promise<string> => {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const page = await client.list(resource, {
        ...selection,
        signal,
        // A version of 0 is answered from the server's cache, whole; pages are for reads that go to the store.
        ...(next ? { continue: next, limit: listPageSize } : resourceVersion === '0' ? { resourceVersion } : { limit: listPageSize }),
      });
      // Items of a list have no kind of their own in a typed list from Go; ours do, and reading them is what handlers rely on.
      for (const item of page.items) items.push(item);
      next = page.metadata.continue;
      if (!next) {
        replace(items);
        return page.metadata.resourceVersion ?? '';
      }
    }
  };

  const watchTimeout = () => Math.floor(minWatchTimeoutSeconds * (1 + random.next()));

  /** Reads the initial state as a stream, and answers the version that it is true of. */
  const streamAll = async (signal: AbortSignal): Promise<{ version: string; rest: AsyncIterator<WatchEvent<T>> }> => {
    const events = client.watch(resource, {
      ...selection,
      signal,
      allowWatchBookmarks: true,
      sendInitialEvents: true,
      resourceVersionMatch: 'NotOlderThan',
      timeoutSeconds: watchTimeout(),
    });
    const rest = events[Symbol.asyncIterator]();
    const objects = new Map<string, T>();
    for (;;) {
      const next = await rest.next();
      if (next.done) throw new Error('the watch ended before its initial events did');
      const event = next.value;
      if (event.type === 'BOOKMARK') {
        if (event.object.metadata.annotations?.[initialEventsEnd] !== 'true') continue;
        replace([...objects.values()]);
        return { version: event.object.metadata.resourceVersion ?? '', rest };
      }
      if (event.type === 'DELETED') objects.delete(keyOf(event.object));
      else objects.set(keyOf(event.object), event.object);
    }
  };

  /** Takes events in until the watch ends; answers the last version seen. */
  const take = async (events: AsyncIterator<WatchEvent<T>>, position: { version: string; events: number }): Promise<void> => {
    for (;;) {
      const next = await events.next();
      if (next.done) return;
      const event = next.value;
      position.events++;
      if (event.object.metadata.resourceVersion) position.version = event.object.metadata.resourceVersion;
      if (event.type === 'BOOKMARK') continue;
      if (event.type === 'DELETED') remove(keyOf(event.object), event.object, false);
      else put(event.object);
    }
  };

  /**
   * Waits as long as the failures so far ask for; where the server was out of reach, only until somebody has reached it, and then
   * as after a first failure: thousands of informers do not come back in one moment.
   */
  const pause = async (backoff: ReturnType<typeof createBackoff>, isAway: boolean, signal: AbortSignal): Promise<void> => {
    const early = new AbortController();
    const forget = isAway ? client.reachability.onReturn(() => early.abort()) : () => undefined;
    await clock.sleep(backoff.next(), AbortSignal.any([signal, early.signal])).catch(() => undefined);
    forget();
    if (!early.signal.aborted || signal.aborted) return;
    backoff.reset();
    await clock.sleep(backoff.next(), signal).catch(() => undefined);
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    const backoff = createBackoff(clock, random, { initialMs: 800, maxMs: 30_000, resetAfterMs: 120_000 });
    const position = { version: '', events: 0 };
    /** Whether the last failure was one of reaching the server. When that is over, what it is asked next has not failed before. */
    let isAway = false;
    const answered = (): void => {
      if (isAway) backoff.reset();
      isAway = false;
    };
    let relist: string | undefined = '0';
    while (!signal.aborted) {
      let started = clock.monotonic();
      position.events = 0;
      try {
        let events: AsyncIterator<WatchEvent<T>> | undefined;
        if (relist !== undefined) {
          if (streaming) {
            const initial = await streamAll(signal);
            position.version = initial.version;
            events = initial.rest;
          } else position.version = await listAll(relist, signal);
          relist = undefined;
          answered();
          started = clock.monotonic();
        }
        events ??= client
          .watch(resource, {
            ...selection,
            signal,
            resourceVersion: position.version,
            allowWatchBookmarks: true,
            timeoutSeconds: watchTimeout(),
          })
          [Symbol.asyncIterator]();
        await take(events, position);
        if (position.events > 0) answered();
        if (position.events === 0 && clock.monotonic() - started < shortWatchMs)
          throw new Error('very short watch: it ended at once with no events');
      } catch (error) {
        if (error instanceof HandlerFailure) throw error.cause;
        if (signal.aborted) break;
        if (streaming && relist !== undefined && error instanceof StatusError && (error.code === 422 || error.code === 400)) {
          streaming = false;
          continue;
        }
        if (error instanceof StatusError) answered();
        else isAway = true;
        if (hasReason(error, 'Expired') || hasReason(error, 'Gone')) {
          logger?.info({ resource: resource.plural, error: String(error) }, 'the watch is too old: listing again');
          relist = '';
        } else {
          logger?.warn({ resource: resource.plural, error: String(error) }, relist === undefined ? 'watch failed' : 'list failed');
        }
        await pause(backoff, isAway, signal);
      }
    }
    for (const timer of resyncs.values()) timer.cancel();
    resyncs.clear();
  };

  const addHandler = (handler: InformerHandler<T>, { resyncMs = 0 }: { resyncMs?: number } = {}): (() => void) => {
    handlers.add(handler);
    for (const object of cache.list()) handler.add?.(object);
    if (isSynced) handler.synced?.();
    const arm = (): void => {
      const timer = clock.setTimer(
        resyncMs,
        () => {
          for (const object of cache.list()) handler.update?.(object, object);
          arm();
        },
        { background: true },
      );
      resyncs.set(handler, timer);
    };
    if (resyncMs > 0) arm();
    return () => {
      handlers.delete(handler);
      resyncs.get(handler)?.cancel();
      resyncs.delete(handler);
    };
  };

  return {
    resource,
    lister: cache,
    get synced() {
      return isSynced;
    },
    addHandler,
    addIndex: (name, of) => cache.addIndex(name, of),
    whenSynced: (signal) => abortable(whenSynced.promise, signal),
    run,
  };
}

/** The promise, or the signal's reason if it is aborted first. */
export async function abortable<V>(promise: Promise<V>, signal?: AbortSignal): Promise<V> {
  if (!signal) return promise;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
