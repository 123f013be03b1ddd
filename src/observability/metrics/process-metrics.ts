/** What every component tells of itself as a process, read when somebody asks. */
import { readdirSync, readFileSync } from 'node:fs';
import { Counter, Gauge, type Registry } from 'prom-client';

/** What /version answers, too. */
export interface BuildInfo {
  major: string;
  minor: string;
  /** Whose API is spoken, and with whose peers (KEP-4330). */
  emulationMajor: string;
  emulationMinor: string;
  minCompatibilityMajor: string;
  minCompatibilityMinor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

export function registerBuildInfo(registry: Registry, info: BuildInfo): void {
  new Gauge({
    name: 'version_info',
    help: 'Provides the compatibility version info of the component. The component label is the name of the component, usually kube, but is relevant for aggregated-apiservers.',
    labelNames: ['component', 'binary', 'emulation', 'min_compat'],
    registers: [registry],
  }).set(
    {
      component: 'kube',
      binary: `${info.major}.${info.minor}`,
      emulation: `${info.emulationMajor}.${info.emulationMinor}`,
      min_compat: `${info.minCompatibilityMajor}.${info.minCompatibilityMinor}`,
    },
    1,
  );
  const { major, minor, gitVersion, gitCommit, gitTreeState, buildDate, goVersion, compiler, platform } = info;
  new Gauge({
    name: 'kubernetes_build_info',
    help: "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
    labelNames: ['major', 'minor', 'git_version', 'git_commit', 'git_tree_state', 'build_date', 'go_version', 'compiler', 'platform'],
    registers: [registry],
  }).set(
    {
      ...{ major, minor, git_version: gitVersion, git_commit: gitCommit, git_tree_state: gitTreeState },
      ...{ build_date: buildDate, go_version: goVersion, compiler, platform },
    },
    1,
  );
}

/** What every Prometheus client tells of its process. Nothing runs between two scrapes. */
export function registerProcessMetrics(registry: Registry): void {
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
  if (process.platform === 'linux') registerProcFiles(registry, gauge);
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

/** What /proc tells of this process, under the names of Go's process collector. */
function registerProcFiles(registry: Registry, gauge: (name: string, help: string, read: () => number) => void): void {
  const found = (file: string, pattern: RegExp) => pattern.exec(readFileSync(`/proc/self/${file}`, 'utf8'))?.[1] ?? '0';
  /** As the kernel's RLIM_INFINITY where there is no limit. */
  const limit = (pattern: RegExp) => {
    const text = found('limits', pattern);
    return text === 'unlimited' ? 2 ** 64 : Number(text);
  };
  gauge('process_open_fds', 'Number of open file descriptors.', () => readdirSync('/proc/self/fd').length);
  gauge('process_max_fds', 'Maximum number of open file descriptors.', () => limit(/^Max open files\s+(\S+)/m));
  gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes.', () => Number(found('status', /^VmSize:\s+(\d+) kB/m)) * 1024);
  gauge('process_virtual_memory_max_bytes', 'Maximum amount of virtual memory available in bytes.', () =>
    limit(/^Max address space\s+(\S+)/m),
  );
  /** A column of the line IpExt, which comes after the line of its names. */
  const octets = (column: string) => {
    const [names = [], values = []] = readFileSync('/proc/self/net/netstat', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('IpExt:'))
      .map((line) => line.split(' '));
    return Number(values[names.indexOf(column)] ?? 0);
  };
  const network = (name: string, help: string, column: string) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(octets(column));
      },
    });
  network('process_network_receive_bytes_total', 'Number of bytes received by the process over the network.', 'InOctets');
  network('process_network_transmit_bytes_total', 'Number of bytes sent by the process over the network.', 'OutOctets');
}
