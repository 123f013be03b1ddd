/** The cgroups that hold a pod's containers together: `kubepods/[QOS/]podUID`, in v1's controllers or v2's one tree (driver cgroupfs). */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Pod, type PodQOSClass, podLimits, podRequests, toResourceList } from '../../api/index.ts';
import { cpuQuota, cpuShares, memoryBytes, milliCpu } from '../containers/linux-resources.ts';
import { uidOf } from '../pod/identity.ts';
import { qosClass } from '../pod/qos-class.ts';

export interface PodCgroups {
  /** What the runtime makes containers' cgroups below; empty where pods have none of their own. */
  parentOf(pod: Pod): string;
  /** Makes the pod's cgroup with its limits. */
  ensure(pod: Pod): Promise<void>;
  remove(uid: string): Promise<void>;
  /** Removes all that `ensure` made for this root. */
  removeRoot(): Promise<void>;
}

const qosFolders: Record<PodQOSClass, string> = { Guaranteed: '', Burstable: 'burstable', BestEffort: 'besteffort' };
const v1Controllers = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'pids',
  'hugetlb',
  'blkio',
  'devices',
  'freezer',
  'net_cls',
  'net_prio',
  'perf_event',
];
const periodMicros = 100_000;

/** For nodes that touch no cgroups. */
export const noCgroups: PodCgroups = {
  parentOf: () => '',
  ensure: async () => {},
  remove: async () => {},
  removeRoot: async () => {},
};

const ignore =
  (...codes: string[]) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (codes.includes(error.code ?? '')) return undefined;
    throw error;
  };

/** cgroup v2's weight for v1's shares: the formula of the runtimes (KEP-2254). */
export function cpuWeight(shares: number): number {
  return Math.floor(1 + ((shares - 2) * 9999) / 262_142);
}

export interface CgroupOptions {
  /** `/sys/fs/cgroup`. */
  mountPoint: string;
  /** Below which cgroup `kubepods` is made; `/` for the top. */
  root: string;
  cfsQuota: boolean;
  pidsLimit: number;
}

export function podCgroups({ mountPoint, root, cfsQuota, pidsLimit }: CgroupOptions): PodCgroups {
  const unified = existsSync(join(mountPoint, 'cgroup.controllers'));
  const controllers = unified ? [''] : v1Controllers.filter((c) => existsSync(join(mountPoint, c)));
  /** Runtimes make groups in every hierarchy, also in those that limit nothing (`systemd`, `unified`). */
  const hierarchies = unified ? [''] : readdirSync(mountPoint);
  const kubepods = join('/', root, 'kubepods');
  const pathOf = (qos: PodQOSClass, uid: string) => join(kubepods, qosFolders[qos], `pod${uid}`);

  /** cpuset's groups are unusable until they are told which CPUs and memory they have. */
  async function inheritCpuset(directory: string): Promise<void> {
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const own = await readFile(join(directory, file), 'utf8').catch(ignore('ENOENT'));
      if (own === undefined || own.trim() !== '') continue;
      await writeFile(join(directory, file), await readFile(join(dirname(directory), file), 'utf8'));
    }
  }

  async function make(controller: string, path: string): Promise<string> {
    const directory = join(mountPoint, controller, path);
    if (path === '/' || path === '.') return directory;
    const parent = await make(controller, dirname(path));
    if (unified) {
      const available = (await readFile(join(parent, 'cgroup.controllers'), 'utf8')).trim().split(/\s+/);
      const enable = available.filter((c) => ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'].includes(c)).map((c) => `+${c}`);
      // A group with processes of its own can't hand controllers down; then its children go without limits.
      if (enable.length > 0)
        await writeFile(join(parent, 'cgroup.subtree_control'), enable.join(' ')).catch(ignore('EBUSY', 'ENOTSUP', 'EINVAL'));
    }
    await mkdir(directory).catch(ignore('EEXIST'));
    if (controller === 'cpuset') await inheritCpuset(directory);
    return directory;
  }

  function settings(pod: Pod): [controller: string, file: string, value: string][] {
    const requests = toResourceList(podRequests(pod.spec));
    const limits = toResourceList(podLimits(pod.spec));
    const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    // The pod has a limit where it says so for all, or each of its containers has one.
    const isLimited = (resource: string) =>
      pod.spec.resources?.limits?.[resource] !== undefined || all.every((c) => c.resources?.limits?.[resource]);
    const shares = cpuShares(milliCpu(requests));
    const quota = cfsQuota && isLimited('cpu') ? cpuQuota(milliCpu(limits), periodMicros) : 0;
    const memory = isLimited('memory') ? memoryBytes(limits) : 0;
    const out: [string, string, string][] = [];
    if (unified) {
      out.push(['', 'cpu.weight', String(cpuWeight(shares))]);
      if (quota > 0) out.push(['', 'cpu.max', `${quota} ${periodMicros}`]);
      if (memory > 0) out.push(['', 'memory.max', String(memory)]);
      if (pidsLimit > 0) out.push(['', 'pids.max', String(pidsLimit)]);
      return out;
    }
    out.push(['cpu', 'cpu.shares', String(shares)]);
    if (quota > 0) out.push(['cpu', 'cpu.cfs_period_us', String(periodMicros)], ['cpu', 'cpu.cfs_quota_us', String(quota)]);
    if (memory > 0) out.push(['memory', 'memory.limit_in_bytes', String(memory)]);
    if (pidsLimit > 0) out.push(['pids', 'pids.max', String(pidsLimit)]);
    return out;
  }

  /** Children first; what still has processes stays. */
  async function removeTree(directory: string): Promise<void> {
    const entries = await readdir(directory, { withFileTypes: true }).catch(ignore('ENOENT'));
    for (const entry of entries ?? []) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
    await rmdir(directory).catch(ignore('ENOENT', 'EBUSY', 'ENOTEMPTY'));
  }

  return {
    parentOf: (pod) => pathOf(qosClass(pod), uidOf(pod)),
    async ensure(pod) {
      const path = pathOf(qosClass(pod), uidOf(pod));
      const directories = new Map(await Promise.all(controllers.map(async (c) => [c, await make(c, path)] as const)));
      for (const [controller, file, value] of settings(pod)) {
        const directory = directories.get(controller);
        if (directory) await writeFile(join(directory, file), value).catch(ignore('ENOENT'));
      }
    },
    async remove(uid) {
      for (const hierarchy of hierarchies) {
        for (const folder of Object.values(qosFolders)) await removeTree(join(mountPoint, hierarchy, kubepods, folder, `pod${uid}`));
      }
    },
    async removeRoot() {
      for (const hierarchy of hierarchies) await removeTree(join(mountPoint, hierarchy, root === '/' ? kubepods : root));
    },
  };
}
