import type { KubeObject } from '../../api/index.ts';
import type { Informer } from '../../client/index.ts';

/**
 * A cache with this controller's own latest writes laid over it, so that a reconcile that comes before the informer has shown
 * them neither makes twice what it has made nor writes against a version that it has replaced.
 */
export interface OwnWrites<T extends KubeObject> {
  wrote(key: string, object: T): void;
  removed(key: string, object: T): void;
  /** The objects of `key` as they are after its writes. */
  over(key: string, cached: readonly T[]): T[];
  /** Trust the cache again: a write has failed, or the key is gone. */
  forget(key: string): void;
}

/** Versions are of one order over all objects (KEP-5504). */
const version = ({ metadata }: KubeObject) => BigInt(metadata.resourceVersion || '0');

export function createOwnWrites<T extends KubeObject>(informer: Informer<T>): OwnWrites<T> {
  const writes = new Map<string, Map<string, { object: T; gone: boolean }>>();
  const keyOfUid = new Map<string, string>();
  const drop = (uid: string): void => {
    const key = keyOfUid.get(uid);
    if (key === undefined) return;
    keyOfUid.delete(uid);
    const own = writes.get(key);
    own?.delete(uid);
    if (own?.size === 0) writes.delete(key);
  };
  const seen = (object: T): void => {
    const key = keyOfUid.get(object.metadata.uid);
    const own = key === undefined ? undefined : writes.get(key)?.get(object.metadata.uid);
    if (own && !own.gone && version(object) >= version(own.object)) drop(object.metadata.uid);
  };
  informer.addHandler({ add: seen, update: seen, delete: (object) => drop(object.metadata.uid) });

  const note = (key: string, object: T, gone: boolean): void => {
    const { uid } = object.metadata;
    const cached = informer.lister.get(object.metadata.name, object.metadata.namespace);
    // The informer may have been told before the writer was.
    if (gone ? cached?.metadata.uid !== uid : cached?.metadata.uid === uid && version(cached) >= version(object)) {
      drop(uid);
      return;
    }
    let own = writes.get(key);
    if (!own) {
      own = new Map();
      writes.set(key, own);
    }
    own.set(uid, { object, gone });
    keyOfUid.set(uid, key);
  };

  return {
    wrote: (key, object) => note(key, object, false),
    removed: (key, object) => note(key, object, true),
    over(key, cached) {
      const own = writes.get(key);
      if (!own) return [...cached];
      const uids = new Set(cached.map(({ metadata }) => metadata.uid));
      const result = cached.flatMap((object) => {
        const write = own.get(object.metadata.uid);
        if (!write) return [object];
        return write.gone ? [] : [write.object];
      });
      for (const [uid, { object, gone }] of own) if (!gone && !uids.has(uid)) result.push(object);
      return result;
    },
    forget(key) {
      for (const uid of writes.get(key)?.keys() ?? []) keyOfUid.delete(uid);
      writes.delete(key);
    },
  };
}
