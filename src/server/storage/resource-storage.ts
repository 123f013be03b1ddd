import type { Logger } from 'pino';
import { errors, type KubeObject, parseExactly, type Resource } from '../../api/index.ts';
import { currentSpan, type Span, traced } from '../../observability/index.ts';
import type { Operation, Store, StoredValue } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Transformer } from '../encryption/index.ts';
import { CachedObject, encodeObject } from './cached-object.ts';
import { LeasePool } from './lease-pool.ts';
import { list } from './list.ts';
import { pastRevision, readAt } from './past.ts';
import { feedOf } from './revision-feed.ts';
import { OpenedFeed, SealedValues, sealedStore, TransformationError } from './sealed-values.ts';
import type { Preconditions, ResourceStorage, StorageGetOptions, StorageListOptions, StorageObserver } from './storage.ts';
import { invalidObject, preconditionFailed } from './storage-error.ts';
import type { StoredForm } from './stored-form.ts';
import { type Turn, Turns } from './turns.ts';
import { parseResourceVersion } from './versions.ts';
import { watch } from './watch.ts';
import { WatchCache } from './watch-cache.ts';

export interface ResourceStorageOptions<T extends KubeObject> {
  store: Store;
  /** Where the keys begin, without trailing slash: `/registry/pods`. No two storages of a store may share it. */
  prefix: string;
  /** What of it all storages have, which traces leave out. Default: its first segment. */
  root?: string;
  resource: Resource<T>;
  /** Default: as the resource says. */
  namespaced?: boolean;
  clock: Clock;
  logger?: Logger;
  /** Fields that lists and watches may be narrowed by without looking at every object: paths of strings, such as `spec.nodeName`. */
  indexes?: readonly string[];
  /** Objects vanish after this time (Events, --event-ttl). */
  ttlSeconds?: (object: T) => number | undefined;
  /** How objects lie in the store. Default: as JSON in the storage version. */
  form?: StoredForm;
  /** What is between that form and the store: encryption at rest. Default: nothing. */
  transformer?: Transformer | undefined;
  /** What lies in the store as it should be now; the same object where nothing changes (custom resources). */
  repair?(stored: T): T;
  /** What is read of an object that was just written; the same object where nothing is to be added. */
  complete?(written: T): T;
  /** Measures what is asked of the store for this resource. */
  measured?: ((store: Store) => Store) | undefined;
  observer?: StorageObserver | undefined;
  /** Lists of any version are to be the most recent, as if there were no cache (--watch-cache=false). Default false. */
  readsAnew?: boolean | undefined;
  /** A watcher with more events waiting than this is cut off. */
  watcherBuffer?: number;
}

/** What a value on its way through the store is the encoding of: when it comes back it need not be decoded. */
const origin = Symbol('what a value was made of');
interface Origin<T extends KubeObject> {
  /** The storage that has made it: another may read the same value by another schema. */
  by: symbol;
  object: T;
  json: Buffer;
  cached?: CachedObject<T>;
}
/** A property and no WeakMap: what that holds lives through every collection of the young generation. */
type Value<T extends KubeObject> = Buffer & { [origin]?: Origin<T> };

/** An update under contention gives up after so many lost races. */
const updateAttempts = 100;

/** The objects of a resource in a store, behind a watch cache that begins to fill at once. */
export function openResourceStorage<T extends KubeObject>(options: ResourceStorageOptions<T>): ResourceStorage<T> {
  const { prefix, resource, clock, logger, indexes = [], ttlSeconds, repair, complete, form, watcherBuffer = 4096 } = options;
  const namespaced = options.namespaced ?? resource.namespaced;
  const sealed = options.transformer && new SealedValues(options.transformer);
  const raw = options.measured?.(options.store) ?? options.store;
  const store = sealed ? sealedStore(raw, sealed) : raw;
  const feedOfAll = feedOf(options.store, clock, logger);
  const feed = sealed ? new OpenedFeed(feedOfAll, sealed) : feedOfAll;
  const leasePool = new LeasePool(store, clock);
  const turns = new Turns(clock);

  const self = Symbol(prefix);
  const decode = (key: string, revision: number, value: Value<T>): CachedObject<T> => {
    const known = value[origin];
    if (known?.by === self) {
      known.cached ??= ofWritten(key, revision, known);
      return known.cached;
    }
    try {
      const { json, isCurrent } = form?.read(value) ?? { json: value, isCurrent: true };
      const cached = repair ? repaired(key, revision, json, repair) : CachedObject.of<T>(key, revision, json);
      if (!isCurrent || sealed?.isStale(value)) outdated.add(cached);
      return cached;
    } catch (error) {
      if (error instanceof TransformationError) throw error;
      options.observer?.undecodable();
      // Somebody else wrote it, and waiting does not make it an object.
      throw new TransformationError(`unable to decode ${key}: ${error instanceof Error ? error.message : String(error)}`, error);
    }
  };
  /** Objects whose stored form is not what is served: the next update writes them anew though nothing else changes. */
  const outdated = new WeakSet<CachedObject<T>>();
  const repaired = (key: string, revision: number, value: Buffer, mend: (stored: T) => T): CachedObject<T> => {
    // What is stored is what was encoded from a T.
    const stored = parseExactly(value.toString()) as T;
    const object = mend(stored);
    if (object === stored) return CachedObject.of<T>(key, revision, value, stored);
    const cached = CachedObject.of<T>(key, revision, encodeObject(object), object);
    outdated.add(cached);
    return cached;
  };
  const ofWritten = (key: string, revision: number, { object, json }: Origin<T>): CachedObject<T> => {
    const completed = complete?.(object) ?? object;
    if (completed === object) return CachedObject.of(key, revision, json, object);
    const cached = CachedObject.of<T>(key, revision, encodeObject(completed), completed);
    outdated.add(cached);
    return cached;
  };
  const cache = new WatchCache<T>({
    store,
    feed,
    clock,
    prefix,
    indexes,
    decode,
    observer: options.observer,
    onFillError: (error) => logger?.error({ err: error, prefix }, 'could not fill the watch cache; trying again'),
  });

  const prefixOf = (namespace: string | undefined) => (namespaced && namespace ? `${prefix}/${namespace}/` : `${prefix}/`);
  const keyOf = (namespace: string, name: string) => prefixOf(namespace) + name;
  const cachedOf = (value: StoredValue | undefined) => value && decode(value.key, value.modRevision, value.value);
  const fresh = async (key: string) => cachedOf(await store.get(key));

  type Put = { put: string; value: Value<T>; lease?: number };
  /** A promise only where a lease is wanted. */
  function putOf(key: string, object: T): Put | Promise<Put> {
    const json = encodeObject(object);
    const value: Value<T> = form?.write(object, json) ?? json;
    value[origin] = { by: self, object, json };
    const ttl = ttlSeconds?.(object);
    return ttl ? leasePool.lease(ttl).then((lease) => ({ put: key, value, lease })) : { put: key, value };
  }

  const otherUid = (key: string, name: string, uid: string, found: string) =>
    invalidObject(resource, name, key, preconditionFailed('UID', uid, found));

  function check(current: CachedObject<T>, name: string, { uid, resourceVersion }: Preconditions): void {
    if (uid !== undefined && uid !== current.object.metadata.uid) throw otherUid(current.key, name, uid, current.object.metadata.uid ?? '');
    if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== String(current.revision)) {
      throw errors.objectModified(resource, name);
    }
  }

  /** The next state as an operation, or undefined to leave things as they are. */
  type Step = (current: CachedObject<T>, span?: Span) => Promise<Operation | undefined>;

  /**
   * Optimistic: decides on the cached state, which is nearly always the newest, and falls back to the store's when that turns out
   * wrong or when the decision is to refuse or to do nothing, which must not rest on old state. Who has lost a race, or comes when
   * others have, goes on when it is its turn.
   */
  async function modify(
    namespace: string,
    name: string,
    step: Step,
    { uid, ofUpdate }: Preconditions,
    span?: Span,
  ): Promise<CachedObject<T>> {
    const key = keyOf(namespace, name);
    try {
      if (!cache.isFilled) await cache.filled();
    } catch (error) {
      // One value that can't be read keeps the cache from being filled, not the others from being used.
      if (!(error instanceof TransformationError)) throw error;
    }
    let turn: Turn | undefined;
    try {
      if (turns.isTaken(key)) turn = await turns.take(key);
      let current = turn ? undefined : cache.objects.get(key);
      let isFresh = false;
      if (!current) {
        current = await fresh(key);
        isFresh = true;
      }
      span?.event('initial value restored');
      for (let attempt = 0; attempt < updateAttempts; attempt++) {
        if (!current) throw ofUpdate && uid !== undefined ? otherUid(key, name, uid, '') : errors.notFound(resource, name);
        let operation: Operation | undefined;
        try {
          operation = await step(current, span);
        } catch (error) {
          if (isFresh) throw error;
          const newest: CachedObject<T> | undefined = await fresh(key);
          if (newest?.revision === current.revision) throw error;
          current = newest;
          isFresh = true;
          continue;
        }
        if (!operation) {
          if (isFresh) return current;
          const newest: CachedObject<T> | undefined = await fresh(key);
          // Another key may write since the cache has it: then the same is to be written anew.
          if (newest?.revision === current.revision && !(sealed && outdated.has(newest))) return current;
          current = newest;
          isFresh = true;
          continue;
        }
        span?.event('Transaction prepared');
        const result = await store.commit([{ key, modRevision: current.revision }], [operation]);
        span?.event('Txn call completed');
        span?.event('Transaction committed');
        if (result.ok) {
          if (!('put' in operation)) return current.restamped(result.revision);
          span?.event('decode succeeded', { len: operation.value.length });
          return decode(key, result.revision, operation.value);
        }
        if (turn) current = cachedOf(result.current[0]);
        else {
          turn = await turns.take(key);
          current = await fresh(key);
        }
        span?.event('Retry value restored');
        isFresh = true;
      }
      throw errors.objectModified(resource, name);
    } finally {
      turn?.end();
    }
  }

  /** As upstream names what it stores: below its prefix, and by its internal type. */
  const typeName = `*${resource.group === '' ? 'core' : resource.group.split('.')[0]}.${resource.kind}`;
  const rootLength = (options.root ?? /^\/[^/]+(?=\/)/.exec(prefix)?.[0] ?? '').length;
  const nameOf = (key: string) => key.slice(rootLength);
  const auditId = () => currentSpan()?.attributes['audit-id'] ?? '';
  const describe = (key: string) => () => ({
    'audit-id': auditId(),
    key: nameOf(key),
    type: typeName,
    group: resource.group,
    resource: resource.plural,
  });
  const modifyTraced = (namespace: string, name: string, preconditions: Preconditions, step: Step) =>
    currentSpan() === undefined
      ? modify(namespace, name, step, preconditions)
      : traced('GuaranteedUpdate etcd3', describe(keyOf(namespace, name)), (span) => modify(namespace, name, step, preconditions, span));
  const traces = {
    cached: () => ({ 'audit-id': auditId(), type: resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}` }),
    stored: (from: string, asked: StorageListOptions<T>) => ({
      'audit-id': auditId(),
      key: nameOf(from).replace(/\/$/, ''),
      resourceVersion: asked.resourceVersion ?? '',
      resourceVersionMatch: asked.resourceVersionMatch ?? '',
      limit: asked.limit ?? 0,
      continue: asked.continue ?? '',
    }),
  };

  const nothing: readonly CachedObject<T>[] = [];
  const present = {
    get: (namespace: string, name: string) => cache.objects.get(keyOf(namespace, name)),
    list: (namespace?: string) => (cache.objects.size === 0 ? nothing : [...cache.objects.below(prefixOf(namespace))]),
  };
  const watchSource = { store, decode, cache, clock, namespaced, prefixOf, watcherBuffer, observer: options.observer };

  const get = async (namespace: string, name: string, getOptions?: StorageGetOptions) => {
    let version: number | undefined;
    if (getOptions !== undefined) {
      const revision = await pastRevision(store, clock, getOptions);
      if (revision) return cachedOf(await readAt(store, keyOf(namespace, name), revision));
      version = parseResourceVersion(getOptions.resourceVersion);
    }
    try {
      const wait = cache.waitFor(version ?? (await store.revision()));
      if (wait !== undefined) await wait;
    } catch (error) {
      if (error instanceof TransformationError) return fresh(keyOf(namespace, name));
      throw error;
    }
    return cache.objects.get(keyOf(namespace, name));
  };
  const lister = { store, clock, cache, namespaced, prefixOf, decode, traces, observer: options.observer, readsAnew: options.readsAnew };

  return {
    get: (namespace, name, getOptions) => {
      if (currentSpan() === undefined) return get(namespace, name, getOptions);
      const version = getOptions?.resourceVersion ?? '';
      const attributes = () => ({ 'audit-id': auditId(), key: nameOf(keyOf(namespace, name)), 'resource-version': version });
      return traced('cacher.Get', attributes, () => get(namespace, name, getOptions));
    },

    list: (listOptions = {}) => list(lister, listOptions),

    async *watch(watchOptions) {
      for await (const events of watch(watchSource, watchOptions)) yield* events;
    },

    watchBatches: (watchOptions) => watch(watchSource, watchOptions),

    create: async (object) => {
      const name = object.metadata.name ?? '';
      const key = keyOf(object.metadata.namespace ?? '', name);
      const write = async (span?: Span) => {
        span?.event('About to Encode');
        const made = putOf(key, object);
        const put = made instanceof Promise ? await made : made;
        span?.event('Encode succeeded', { len: put.value.length });
        span?.event('TransformToStorage succeeded');
        const result = await store.commit([{ key, modRevision: 0 }], [put]);
        span?.event('Txn call succeeded');
        if (result.ok) span?.event('decode succeeded', { len: put.value.length });
        return { put, result };
      };
      const { put, result } = await (currentSpan() === undefined ? write() : traced('Create etcd3', describe(key), write));
      if (!result.ok) throw errors.alreadyExists(resource, name);
      return decode(key, result.revision, put.value);
    },

    update: (namespace, name, preconditions, change) =>
      modifyTraced(namespace, name, preconditions, async (current, span) => {
        check(current, name, preconditions);
        const next = await change(current);
        if (next === undefined) return { delete: current.key };
        if (next === current.object && !outdated.has(current)) return undefined;
        span?.event('About to Encode');
        const made = putOf(current.key, next);
        const put = made instanceof Promise ? await made : made;
        span?.event('Encode succeeded', { len: put.value.length });
        span?.event('TransformToStorage succeeded');
        // As upstream: what would change nothing is not written, and the object keeps its resourceVersion.
        const json = put.value[origin]?.json;
        if (!outdated.has(current)) return json !== undefined && current.isStoredAs(json) ? undefined : put;
        // What is read has more to it than what is stored.
        const stored = complete && !sealed ? await store.get(current.key) : undefined;
        return json !== undefined && stored?.modRevision === current.revision && json.equals(stored.value) ? undefined : put;
      }),

    delete: (namespace, name, preconditions, verify) =>
      modify(
        namespace,
        name,
        async (current) => {
          check(current, name, preconditions);
          await verify?.(current);
          return { delete: current.key };
        },
        preconditions,
      ),

    deleteUnreadable: async (namespace, name) => {
      const key = keyOf(namespace, name);
      for (;;) {
        const stored = await raw.get(key);
        if (!stored) throw errors.notFound(resource, name);
        const isReadable = await fresh(key).then(
          () => true,
          (error) => {
            if (error instanceof TransformationError) return false;
            throw error;
          },
        );
        if (isReadable)
          throw invalidObject(resource, name, key, 'unsafe deletion is not allowed because the object is decodable from storage');
        if ((await raw.commit([{ key, modRevision: stored.modRevision }], [{ delete: key }])).ok) return;
      }
    },

    get present() {
      return cache.isFilled ? present : undefined;
    },
    count: () => cache.objects.size,
    footprint: () => ({ bytes: cache.objects.bytes, capacity: cache.log.capacity }),
    ready: () => cache.ready(),
    close: () => cache.close(),
  };
}
