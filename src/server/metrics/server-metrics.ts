/** Metrics of the API server as a process and of what it stores, read when somebody asks for them. */
import { readdirSync, readFileSync } from 'node:fs';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Store } from '../../store/index.ts';
import type { VersionInfo } from '../version.ts';

export interface ServerMetricsOptions {
  registry: Registry;
  version: VersionInfo;
  store: Store;
  /** Group, plural and number of objects of each stored resource. */
  counts(): Iterable<{ group: string; resource: string; count: number }>;
}

const groupResource = (group: string, resource: string) => (group === '' ? resource : `${resource}.${group}`);

export function registerServerMetrics({ registry, version, store, counts }: ServerMetricsOptions): void {
  const registers = [registry];
  const { major, minor, gitVersion, gitCommit, gitTreeState, buildDate, goVersion, compiler, platform } = version;
  new Gauge({
    name: 'kubernetes_build_info',
    help: "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
    labelNames: ['major', 'minor', 'git_version', 'git_commit', 'git_tree_state', 'build_date', 'go_version', 'compiler', 'platform'],
    registers,
  }).set(
    {
      ...{ major, minor, git_version: gitVersion, git_commit: gitCommit, git_tree_state: gitTreeState },
      ...{ build_date: buildDate, go_version: goVersion, compiler, platform },
    },
    1,
  );
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

/** What every Prometheus client tells of its process. Nothing runs between two scrapes. */
function registerProcessMetrics(registry: Registry): void {
  const registers = [registry];
  const startSeconds = Date.now() / 1000 - process.uptime();
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () => startSeconds);
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  if (process.platform === 'linux') {
    gauge('process_open_fds', 'Number of open file descriptors.', () => readdirSync('/proc/self/fd').length);
    gauge('process_max_fds', 'Maximum number of open file descriptors.', () =>
      Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0),
    );
  }
  gauge('nodejs_heap_size_total_bytes', 'Process heap size from Node.js in bytes.', () => process.memoryUsage().heapTotal);
  gauge('nodejs_heap_size_used_bytes', 'Process heap size used from Node.js in bytes.', () => process.memoryUsage().heapUsed);
  gauge('nodejs_external_memory_bytes', 'Node.js external memory size in bytes.', () => process.memoryUsage().external);
  const [major = '', minor = '', patch = ''] = process.versions.node.split('.');
  new Gauge({
    name: 'nodejs_version_info',
    help: 'Node.js version info.',
    labelNames: ['version', 'major', 'minor', 'patch'],
    registers,
  }).set({ version: process.version, major, minor, patch }, 1);
}
