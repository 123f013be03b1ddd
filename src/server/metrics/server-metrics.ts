/** Metrics of the API server as a process and of what it stores, read when somebody asks for them. */
import { Gauge, type Registry } from 'prom-client';
import { type BuildInfo, registerBuildInfo, registerProcessMetrics } from '../../observability/index.ts';
import type { Store } from '../../store/index.ts';

export interface ServerMetricsOptions {
  registry: Registry;
  version: BuildInfo;
  store: Store;
  /** Group, plural and number of objects of each stored resource. */
  counts(): Iterable<{ group: string; resource: string; count: number }>;
}

const groupResource = (group: string, resource: string) => (group === '' ? resource : `${resource}.${group}`);

export function registerServerMetrics({ registry, version, store, counts }: ServerMetricsOptions): void {
  const registers = [registry];
  registerBuildInfo(registry, version);
  new Gauge({
    name: 'apiserver_storage_objects',
    help: '[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    labelNames: ['resource'],
    registers,
    collect() {
      this.reset();
      for (const { group, resource, count } of counts()) this.set({ resource: groupResource(group, resource) }, count);
    },
  });
  new Gauge({
    name: 'apiserver_resource_objects',
    help: 'Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    labelNames: ['group', 'resource'],
    registers,
    collect() {
      this.reset();
      for (const { group, resource, count } of counts()) this.set({ group, resource }, count);
    },
  });
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
