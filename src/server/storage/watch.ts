/**
 * Watches: the present objects where asked for, then every change after it exactly once, in order, as the watcher's selection sees it.
 */
import { errors, type KubeObject } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { CachedObject } from './cached-object.ts';
import { type RecallSource, recall } from './recall.ts';
import { selects } from './selects.ts';
import type { StorageObserver, StorageWatchEvent, StorageWatchOptions } from './storage.ts';
import { parseResourceVersion } from './versions.ts';
import { below, everything, type WatchCache, withField } from './watch-cache.ts';

export interface WatchSource<T extends KubeObject> extends RecallSource<T> {
  cache: WatchCache<T>;
  clock: Clock;
  namespaced: boolean;
  prefixOf(namespace: string | undefined): string;
  /** A watcher with more events waiting is cut off. */
  watcherBuffer: number;
  observer?: StorageObserver | undefined;
}

/** The last bookmark comes so long before the end of the watch (as upstream's). */
const bookmarkBeforeEndMs = 2000;

/** So many objects of the present are told at a time. */
export const initialBatch = 500;

/** In batches of what came together: most of what a watcher costs it costs by the batch. */
export async function* watch<T extends KubeObject>(
  source: WatchSource<T>,
  options: StorageWatchOptions<T>,
): AsyncGenerator<readonly StorageWatchEvent<T>[], undefined> {
  const { cache, clock } = source;
  const { signal } = options;
  const version = parseResourceVersion(options.resourceVersion);
  const withInitial = options.sendInitialEvents ?? !version;
  await freshEnough(cache, version, withInitial);
  if (signal.aborted) return undefined;

  // From here to the registration nothing waits, so no change falls between what is read and what will be told.
  const concerns = keyFilter(source, options);
  const accepts = acceptor(concerns, options);
  const from = withInitial || !version ? cache.revision : version;
  if (from < cache.log.startRevision) {
    throw errors.expired(`too old resource version: ${from} (${cache.log.startRevision})`);
  }
  const initial = withInitial ? present(source, options).filter(accepts) : [];
  const missed = withInitial ? [] : cache.log.after(from).filter(({ key }) => concerns(key));
  const wantsBookmarks = options.bookmarks === true;
  const watcher = cache.watchers.add({
    scope: scopeOf(source, options),
    selection: selectionName(source, options),
    accepts,
    wantsBookmarks,
    // A version that lies ahead is waited for: what comes before it is not for this watcher.
    afterRevision: Math.max(from, cache.revision),
    capacity: source.watcherBuffer,
    cutOff: () => source.observer?.terminated(),
  });
  if (wantsBookmarks) cache.armBookmarks();
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    watcher.end();
  };
  signal.addEventListener('abort', stop, { once: true });
  const lastBookmark = options.timeoutSeconds
    ? clock.setTimer(Math.max(0, options.timeoutSeconds * 1000 - bookmarkBeforeEndMs), () => {
        if (wantsBookmarks) watcher.bookmark(cache.revision);
      })
    : undefined;

  try {
    for (let i = 0; i < initial.length; i += initialBatch)
      yield initial.slice(i, i + initialBatch).map((item) => ({ type: 'ADDED', item }));
    if (options.sendInitialEvents && wantsBookmarks) yield [{ type: 'BOOKMARK', revision: from, initialEventsEnd: true }];
    options.initialized?.();
    if (missed.length > 0) {
      for await (const changes of recall(source, missed)) {
        const late = changes.flatMap((change) => change.seenBy(accepts) ?? []);
        if (isStopped) return undefined;
        if (late.length > 0) yield late;
      }
    }
    // A signal made of others looks at them each time it is asked.
    while (!isStopped) {
      const events = await watcher.take();
      if (!events) break;
      yield events;
    }
    return undefined;
  } finally {
    cache.watchers.remove(watcher);
    signal.removeEventListener('abort', stop);
    lastBookmark?.cancel();
  }
}

async function freshEnough<T extends KubeObject>(cache: WatchCache<T>, version: number | undefined, withInitial: boolean): Promise<void> {
  if (version === undefined) await cache.waitForNow();
  else if (withInitial) await cache.waitFor(version);
  else await cache.filled();
}

function keyFilter<T extends KubeObject>(source: WatchSource<T>, { namespace, name }: StorageWatchOptions<T>): (key: string) => boolean {
  const prefix = source.prefixOf(namespace);
  const suffix = name === undefined ? undefined : `/${name}`;
  return (key) => key.startsWith(prefix) && (suffix === undefined || key.endsWith(suffix));
}

function acceptor<T extends KubeObject>(
  concerns: (key: string) => boolean,
  selection: StorageWatchOptions<T>,
): (object: CachedObject<T>) => boolean {
  const selected = selects(selection);
  return (object) => concerns(object.key) && (selected === undefined || selected(object));
}

function present<T extends KubeObject>(source: WatchSource<T>, options: StorageWatchOptions<T>): CachedObject<T>[] {
  const { objects } = source.cache;
  const prefix = source.prefixOf(options.namespace);
  if (options.name !== undefined && (options.namespace || !source.namespaced)) {
    const object = objects.get(prefix + options.name);
    return object ? [object] : [];
  }
  const indexed = options.indexed && objects.withField(options.indexed.field, options.indexed.value);
  return indexed ?? [...objects.below(prefix)];
}

/** The same for all who accept the same; undefined where that is not known. */
function selectionName<T extends KubeObject>(
  source: WatchSource<T>,
  { namespace, name, matches, matchesLabels, selector }: StorageWatchOptions<T>,
): string | undefined {
  if (selector === undefined && (matches || matchesLabels)) return undefined;
  return JSON.stringify([source.prefixOf(namespace), name, selector]);
}

function scopeOf<T extends KubeObject>(source: WatchSource<T>, { namespace, name, indexed }: StorageWatchOptions<T>): string {
  const prefix = source.prefixOf(namespace);
  if (name !== undefined && (namespace || !source.namespaced)) return below(prefix + name);
  if (indexed && source.cache.objects.withField(indexed.field, indexed.value)) return withField(indexed.field, indexed.value);
  return namespace ? below(prefix) : everything;
}
