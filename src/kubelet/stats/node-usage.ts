/** What the machine uses, from /proc and statfs; a simulated one does nothing. */
import { readFile, statfs } from 'node:fs/promises';
import type { statsV1alpha1 } from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import { memInfo } from '../node/machine.ts';

export type NodeUsage = Required<Pick<statsV1alpha1.NodeStats, 'cpu' | 'memory' | 'fs'>>;

/** USER_HZ: ticks of /proc/stat in a second, 100 on every Linux that Node runs on. */
const nanosecondsPerTick = 10_000_000;

export async function nodeUsage({ paths, machine, hollow }: KubeletContext, time: string): Promise<NodeUsage> {
  if (hollow) {
    const { memoryBytes, diskBytes } = machine;
    return {
      cpu: { time, usageNanoCores: 0, usageCoreNanoSeconds: 0 },
      memory: { time, availableBytes: memoryBytes, usageBytes: 0, workingSetBytes: 0 },
      fs: { time, availableBytes: diskBytes, capacityBytes: diskBytes, usedBytes: 0 },
    };
  }
  const [stat, meminfo, disk] = await Promise.all([readFile('/proc/stat', 'utf8'), readFile('/proc/meminfo', 'utf8'), statfs(paths.root)]);
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (stat.split('\n')[0] ?? '').split(/\s+/).map(Number);
  const available = memInfo(meminfo, 'MemAvailable');
  const total = memInfo(meminfo, 'MemTotal');
  return {
    cpu: { time, usageCoreNanoSeconds: (user + nice + system + irq + softirq) * nanosecondsPerTick },
    memory: { time, availableBytes: available, usageBytes: total - memInfo(meminfo, 'MemFree'), workingSetBytes: total - available },
    fs: {
      time,
      availableBytes: disk.bavail * disk.bsize,
      capacityBytes: disk.blocks * disk.bsize,
      usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
      inodes: disk.files,
      inodesFree: disk.ffree,
      inodesUsed: disk.files - disk.ffree,
    },
  };
}
