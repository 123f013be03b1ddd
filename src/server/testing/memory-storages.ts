/** Real storages over a store in memory, for tests of what stands on them. */
import { groupResourceOf, type KubeObject, type Resource } from '../../api/index.ts';
import { openMemoryStore } from '../../store/index.ts';
import { type Clock, systemClock } from '../../time/index.ts';
import { openResourceStorage } from '../storage/resource-storage.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { Storages } from '../storages.ts';

export interface MemoryStorages {
  storages: Storages;
  /** Stores an object as it is, with a uid. */
  put<T extends KubeObject>(resource: Resource<T>, object: object): Promise<T>;
  close(): Promise<void>;
}

export function memoryStorages(clock: Clock = systemClock): MemoryStorages {
  const store = openMemoryStore({ clock });
  const open = new Map<string, ResourceStorage>();
  const storages = <T extends KubeObject>(resource: Resource<T>): ResourceStorage<T> => {
    const name = groupResourceOf(resource);
    const known =
      open.get(name) ?? (openResourceStorage({ store, prefix: `/registry/${name}`, resource, clock }) as ResourceStorage<KubeObject>);
    open.set(name, known);
    return known as ResourceStorage as ResourceStorage<T>; // opened for this very resource
  };
  let uids = 0;
  return {
    storages,
    async put(resource, object) {
      const given = object as Partial<KubeObject>;
      const complete = {
        apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
        kind: resource.kind,
        ...given,
        metadata: { uid: `uid-${++uids}`, ...given.metadata },
      };
      return (await storages(resource).create(complete as never)).object;
    },
    async close() {
      for (const storage of open.values()) storage.close();
      await store.close();
    },
  };
}
