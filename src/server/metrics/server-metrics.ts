/** Metrics of the API server as a process and of what it stores, read when somebody asks for them. */
import { Gauge, type Registry } from 'prom-client';
import { type BuildInfo, registerBuildInfo, registerProcessMetrics } from '../../observability/index.ts';
import type { Store } from '../../store/index.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { registerValidationMetrics } from './validation-metrics.ts';

export interface ServerMetricsOptions {
  registry: Registry;
  version: BuildInfo;
  store: Store;
  /** What each stored resource, by group and plural, lies in. */
  storages(): Iterable<{ group: string; resource: string; storage: Pick<ResourceStorage, 'count' | 'footprint'> }>;
}

const groupResource = (group: string, resource: string) => (group === '' ? resource : `${resource}.${group}`);

export function registerServerMetrics({ registry, version, store, storages }: ServerMetricsOptions): void {
  const registers = [registry];
  registerBuildInfo(registry, version);
  registerValidationMetrics(registry);
  new Gauge({
    name: 'apiserver_storage_objects',
    help: '[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    labelNames: ['resource'],
    registers,
    collect() {
      this.reset();
      for (const { group, resource, storage } of storages()) this.set({ resource: groupResource(group, resource) }, storage.count());
    },
  });
  const byResource = (name: string, help: string, value: (storage: Pick<ResourceStorage, 'count' | 'footprint'>) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['group', 'resource'],
      registers,
      collect() {
        this.reset();
        for (const { group, resource, storage } of storages()) this.set({ group, resource }, value(storage));
      },
    });
  byResource(
    'apiserver_resource_objects',
    'Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    (storage) => storage.count(),
  );
  byResource(
    'apiserver_resource_size_estimate_bytes',
    'Estimated size of stored objects in database. Estimate is based on sum of last observed sizes of serialized objects. In case of a fetching error, the value will be -1.',
    (storage) => storage.footprint().bytes,
  );
  byResource('watch_cache_capacity', 'Total capacity of watch cache broken by resource type.', (storage) => storage.footprint().capacity);
  new Gauge({
    name: 'apiserver_storage_size_bytes',
    help: 'Size of the storage database file physically allocated in bytes.',
    labelNames: ['storage_cluster_id'],
    registers,
    async collect() {
      this.set({ storage_cluster_id: 'etcd-0' }, await store.sizeBytes());
    },
  });
  registerProcessMetrics(registry);
}
