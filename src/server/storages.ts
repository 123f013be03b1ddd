/**
 * How the server's own parts (authentication, authorization, admission, allocation) reach live objects: straight from the watch
 * cache, by reference.
 */
import type { KubeObject, Resource } from '../api/index.ts';
import { hasReason } from '../api/index.ts';
import { TransformationError } from './storage/sealed-values.ts';
import type { ResourceStorage } from './storage/storage.ts';

/** The storage of a built-in resource, in its storage version. */
export type Storages = <T extends KubeObject>(resource: Resource<T>) => ResourceStorage<T>;

type Answered<V> = V | Promise<V>;

/** An object from the cache, or, where the cache does not have it (yet), from the store. */
export function readObject<T extends KubeObject>(
  storages: Storages,
  resource: Resource<T>,
  namespace: string,
  name: string,
): Answered<T | undefined> {
  const storage = storages(resource);
  return storage.present?.get(namespace, name)?.shared ?? readThrough(storage, namespace, name);
}

async function readThrough<T extends KubeObject>(storage: ResourceStorage<T>, namespace: string, name: string): Promise<T | undefined> {
  const cached = (await storage.get(namespace, name, { resourceVersion: '0' })) ?? (await storage.get(namespace, name));
  return cached?.shared;
}

/** All objects of a resource (in a namespace) from the cache. */
export function readObjects<T extends KubeObject>(storages: Storages, resource: Resource<T>, namespace?: string): Answered<T[]> {
  const storage = storages(resource);
  const { present } = storage;
  if (present) return present.list(namespace).map((item) => item.shared);
  return storage
    .list({ resourceVersion: '0', ...(namespace === undefined ? {} : { namespace }) })
    .then(({ items }) => items.map((item) => item.shared));
}

export interface Follower<T extends KubeObject> {
  /** Everything known is void; the present objects follow at once. */
  reset(): void;
  set(object: T): void;
  remove(object: T): void;
}

/**
 * Keeps a follower up to date with a resource until the signal is aborted. Resolves when it has seen the objects that are
 * present. A watch that fell behind, or that the store has lost, starts over, and what was known holds until then; any other
 * failure goes to `onError`. `only`: no object but that.
 */
export function follow<T extends KubeObject>(
  storage: ResourceStorage<T>,
  follower: Follower<T>,
  options: { signal: AbortSignal; onError(error: unknown): void; only?: { namespace: string; name: string } },
): Promise<void> {
  const { signal, only } = options;
  const { promise, resolve } = Promise.withResolvers<void>();
  /** `version`: undefined for everything that is durable by now; '0' for what the cache shows, whether or not the store answers. */
  const watchOnce = async (version?: string) => {
    let present: T[] | undefined = [];
    for await (const event of storage.watch({
      sendInitialEvents: true,
      bookmarks: true,
      signal,
      ...only,
      ...(version ? { resourceVersion: version } : {}),
    })) {
      if (event.type === 'BOOKMARK') {
        if (!event.initialEventsEnd || !present) continue;
        follower.reset();
        for (const object of present) follower.set(object);
        present = undefined;
        resolve();
      } else if (event.type === 'DELETED') follower.remove(event.item.shared);
      else if (present) present.push(event.item.shared);
      else follower.set(event.item.shared);
    }
  };
  const run = async () => {
    for (let version: string | undefined; !signal.aborted; version = '0') {
      try {
        await watchOnce(version);
      } catch (error) {
        if (signal.aborted) return;
        // What can't be read now, a key server that comes back or another configuration may open.
        if (error instanceof TransformationError) await storage.ready();
        else if (!hasReason(error, 'Expired')) throw error;
      }
    }
  };
  run().catch(options.onError);
  return promise;
}
