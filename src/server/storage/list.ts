/**
 * Lists by resourceVersion and resourceVersionMatch, as in the table under "Resource versions in list" of Kubernetes' API concepts:
 * unset is the most recent, 0 is any, N is not older than N, Exact N is N; with a limit N alone is exact; a continue token is the
 * revision of its first page.
 */
import { errors, type KubeObject } from '../../api/index.ts';
import { type Attributes, currentSpan, type Span, traced } from '../../observability/index.ts';
import { CompactedError, FutureRevisionError, type Store } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';
import type { CachedObject } from './cached-object.ts';
import { decodeContinueToken, encodeContinueToken } from './continue-token.ts';
import { revisionAtTime, versionExpired } from './past.ts';
import { selects } from './selects.ts';
import type { StorageList, StorageListOptions, StorageObserver } from './storage.ts';
import { parseListVersion, tooLargeResourceVersion } from './versions.ts';
import type { WatchCache } from './watch-cache.ts';

export interface Lister<T extends KubeObject> {
  store: Store;
  clock: Clock;
  cache: WatchCache<T>;
  namespaced: boolean;
  /** `/registry/pods/` or `/registry/pods/default/`. */
  prefixOf(namespace: string | undefined): string;
  decode(key: string, revision: number, value: Buffer): CachedObject<T>;
  observer?: StorageObserver | undefined;
  /** Any version is the most recent then, and a limit always holds. */
  readsAnew?: boolean | undefined;
  /** What spans say of a list from the cache, and of one from the store of what lies below a key. */
  traces: { cached(): Attributes; stored(from: string, options: StorageListOptions<T>): Attributes };
}

/** Kubernetes/apiserver's words (pkg/storage/etcd3/errors.go); clients show them. */
const continueExpired =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue ' +
  'parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided ' +
  'token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was ' +
  'returned and now may show up in the list.';

interface Page<T extends KubeObject> {
  options: StorageListOptions<T>;
  /** Key prefix of the list. */
  prefix: string;
  start: string;
  /** Infinity: all. */
  limit: number;
}

export async function list<T extends KubeObject>(lister: Lister<T>, options: StorageListOptions<T>): Promise<StorageList<T>> {
  const { cache } = lister;
  const prefix = lister.prefixOf(options.namespace);
  const limit = options.limit && options.limit > 0 ? options.limit : Number.POSITIVE_INFINITY;
  const page: Page<T> = { options, prefix, start: prefix, limit };

  if (options.continue) {
    const token = decodeContinueToken(options.continue);
    if (options.resourceVersion && options.resourceVersion !== '0')
      throw errors.badRequest('specifying resource version is not allowed when using continue');
    const next = { ...page, start: prefix + token.start };
    if (token.revision < 0) {
      return whenFresh(lister, next, () => cache.waitForNow());
    }
    return listAt(lister, next, token.revision, token.start);
  }
  const version = parseListVersion(options.resourceVersion);
  if (options.at !== undefined) {
    if (options.resourceVersion) throw errors.badRequest('at and resourceVersion exclude each other');
    return listAt(lister, page, await revisionAtTime(lister.store, options.at, lister.clock), undefined);
  }
  const exact =
    options.resourceVersionMatch === 'Exact' ||
    (options.resourceVersionMatch === undefined && limit < Number.POSITIVE_INFINITY && !isSingle(lister, options));
  if (version && exact) return listAt(lister, page, version, undefined);
  const anew = lister.readsAnew === true;
  const isNewest = version === undefined || (anew && version === 0);
  // Any version will do only for those who can take everything: reflectors, for which upstream ignores the limit too.
  return whenFresh(lister, version === 0 && !anew ? { ...page, limit: Number.POSITIVE_INFINITY } : page, () =>
    isNewest ? consistently(lister, () => cache.waitForNow()) : cache.waitFor(version),
  );
}

/** From the cache, as soon as it is as new as is waited for. */
async function whenFresh<T extends KubeObject>(
  lister: Lister<T>,
  page: Page<T>,
  wait: () => Promise<void> | void,
): Promise<StorageList<T>> {
  const { cache, traces } = lister;
  const found = async (span?: Span) => {
    await wait();
    span?.event('watchCache fresh enough');
    const { result, fetched } = fromCache(lister, page, cache.revision);
    span?.event('Listed items from cache', { count: fetched });
    span?.event('Filtered items', { count: result.items.length });
    return result;
  };
  return currentSpan() === undefined ? found() : traced('cacher.GetList', () => traces.cached(), found);
}

/** Of one object upstream reads no pages. */
const isSingle = <T extends KubeObject>({ namespaced }: Lister<T>, { name, namespace }: StorageListOptions<T>) =>
  name !== undefined && (namespace !== undefined || !namespaced);

/** Waits until the cache can tell the most recent state, and has it counted. */
async function consistently<T extends KubeObject>({ observer }: Lister<T>, wait: () => Promise<void>): Promise<void> {
  let success = false;
  try {
    await wait();
    success = true;
  } finally {
    observer?.readConsistently(success);
  }
}

/** At one revision that the store still has: from the cache where nothing has changed since, otherwise from the store. */
async function listAt<T extends KubeObject>(
  lister: Lister<T>,
  page: Page<T>,
  revision: number,
  continuedFrom: string | undefined,
): Promise<StorageList<T>> {
  const { cache } = lister;
  await cache.waitFor(revision);
  try {
    if (cache.lastChange <= revision) {
      // Upstream asks the store for every page, so that what it has forgotten ends a list also where nothing has changed.
      if (revision < cache.revision) await lister.store.get(page.prefix, { revision });
      return fromCache(lister, page, revision).result;
    }
    const stored = () => fromStore(lister, page, revision);
    if (currentSpan() === undefined) return await stored();
    return await traced('List(recursive=true) etcd3', () => lister.traces.stored(page.prefix, page.options), stored);
  } catch (error) {
    if (error instanceof FutureRevisionError) throw tooLargeResourceVersion(revision, cache.revision);
    if (!(error instanceof CompactedError)) throw error;
    if (continuedFrom === undefined) throw errors.expired(versionExpired);
    const expired = errors.expired(continueExpired);
    expired.status.metadata = { continue: encodeContinueToken({ revision: -1, start: continuedFrom }) };
    throw expired;
  }
}

function selector<T extends KubeObject>({ name, ...selection }: StorageListOptions<T>): ((object: CachedObject<T>) => boolean) | undefined {
  const accepts = selects(selection);
  if (name === undefined) return accepts;
  return (object) => object.key.endsWith(`/${name}`) && (accepts === undefined || accepts(object));
}

/** `fetched`: how many were looked at. */
function fromCache<T extends KubeObject>(lister: Lister<T>, page: Page<T>, revision: number): { result: StorageList<T>; fetched: number } {
  const { cache, observer } = lister;
  let fetched = 0;
  const counted = (result: StorageList<T>) => {
    observer?.listed('cache', fetched, result.items.length);
    return { result, fetched };
  };
  const { options, prefix, start, limit } = page;
  const accepts = selector(options);
  const items: CachedObject<T>[] = [];
  for (const object of candidates(cache, page)) {
    const last = items.length >= limit ? items.at(-1) : undefined;
    if (last !== undefined) {
      // Whether those that come are selected is found out when they are asked for.
      const remaining = accepts || options.indexed ? undefined : cache.objects.countBelow(prefix, start) - items.length;
      return counted(paged(items, revision, prefix, last.key, remaining));
    }
    fetched++;
    if (accepts && !accepts(object)) continue;
    items.push(object);
  }
  return counted({ items, revision });
}

function candidates<T extends KubeObject>(cache: WatchCache<T>, { options, prefix, start }: Page<T>): Iterable<CachedObject<T>> {
  if (options.name !== undefined) {
    const object = cache.objects.get(prefix + options.name);
    if (object) return object.key >= start ? [object] : [];
  }
  const indexed = options.indexed && cache.objects.withField(options.indexed.field, options.indexed.value);
  return indexed ? indexed.filter((object) => object.key.startsWith(prefix) && object.key >= start) : cache.objects.below(prefix, start);
}

async function fromStore<T extends KubeObject>(lister: Lister<T>, page: Page<T>, revision: number): Promise<StorageList<T>> {
  const { options, prefix, limit } = page;
  const accepts = selector(options);
  const items: CachedObject<T>[] = [];
  let fetched = 0;
  const counted = (found: StorageList<T>): StorageList<T> => {
    lister.observer?.listed('storage', fetched, found.items.length);
    return found;
  };
  for (let start = page.start; ; ) {
    const range = await lister.store.range(prefix, { revision, startKey: start, ...(limit < Number.POSITIVE_INFINITY ? { limit } : {}) });
    fetched += range.values.length;
    for (const [index, value] of range.values.entries()) {
      const object = lister.decode(value.key, value.modRevision, value.value);
      if (accepts && !accepts(object)) continue;
      items.push(object);
      if (items.length < limit) continue;
      const after = range.count - index - 1;
      return counted(after > 0 ? paged(items, revision, prefix, object.key, accepts ? undefined : after) : { items, revision });
    }
    const last = range.values.at(-1);
    if (!range.more || !last) return counted({ items, revision });
    start = `${last.key}\0`;
  }
}

function paged<T extends KubeObject>(
  items: CachedObject<T>[],
  revision: number,
  prefix: string,
  lastKey: string,
  remainingItemCount: number | undefined,
): StorageList<T> {
  const token = encodeContinueToken({ revision, start: `${lastKey.slice(prefix.length)}\0` });
  return { items, revision, continue: token, ...(remainingItemCount === undefined ? {} : { remainingItemCount }) };
}
