/** What /stats/summary answers: the node's and its pods' use of CPU, memory and disk, from the runtime and /proc. */
import { readFile, statfs } from 'node:fs/promises';
import type { Pod, statsV1alpha1 } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import type { KubeletContext } from '../context.ts';
import { memInfo } from '../node/machine.ts';
import { uidOf } from '../pod/identity.ts';
import { rfc3339 } from '../status/container-statuses.ts';

const value = (v: { value?: number } | undefined) => (v?.value === undefined ? undefined : Number(v.value));

function cpuStats(cpu: cri.CpuUsage | undefined, now: string): statsV1alpha1.CPUStats {
  const nano = value(cpu?.usageNanoCores);
  const total = value(cpu?.usageCoreNanoSeconds);
  return {
    time: now,
    ...(nano === undefined ? {} : { usageNanoCores: nano }),
    ...(total === undefined ? {} : { usageCoreNanoSeconds: total }),
  };
}

function memoryStats(memory: cri.MemoryUsage | undefined, now: string): statsV1alpha1.MemoryStats {
  const fields = {
    usageBytes: value(memory?.usageBytes),
    workingSetBytes: value(memory?.workingSetBytes),
    rssBytes: value(memory?.rssBytes),
    availableBytes: value(memory?.availableBytes),
    pageFaults: value(memory?.pageFaults),
    majorPageFaults: value(memory?.majorPageFaults),
  };
  return { time: now, ...Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined)) };
}

const add = (values: (number | undefined)[]) => values.reduce<number>((sum, v) => sum + (v ?? 0), 0);

/** USER_HZ: ticks of /proc/stat in a second, 100 on every Linux that Node runs on. */
const nanosecondsPerTick = 10_000_000;

async function nodeUsage({ paths }: KubeletContext, now: string): Promise<Pick<statsV1alpha1.NodeStats, 'cpu' | 'memory' | 'fs'>> {
  const [stat, meminfo, disk] = await Promise.all([readFile('/proc/stat', 'utf8'), readFile('/proc/meminfo', 'utf8'), statfs(paths.root)]);
  const [, user, nice, system, , , irq, softirq] = (stat.split('\n')[0] ?? '').split(/\s+/).map(Number);
  const available = memInfo(meminfo, 'MemAvailable');
  const total = memInfo(meminfo, 'MemTotal');
  return {
    cpu: { time: now, usageCoreNanoSeconds: add([user, nice, system, irq, softirq]) * nanosecondsPerTick },
    memory: { time: now, availableBytes: available, usageBytes: total - memInfo(meminfo, 'MemFree'), workingSetBytes: total - available },
    fs: {
      time: now,
      availableBytes: disk.bavail * disk.bsize,
      capacityBytes: disk.blocks * disk.bsize,
      usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
      inodes: disk.files,
      inodesFree: disk.ffree,
      inodesUsed: disk.files - disk.ffree,
    },
  };
}

/** What a machine that does nothing has. */
function idleUsage(
  { machine: { memoryBytes, diskBytes } }: KubeletContext,
  now: string,
): Pick<statsV1alpha1.NodeStats, 'cpu' | 'memory' | 'fs'> {
  return {
    cpu: { time: now, usageNanoCores: 0, usageCoreNanoSeconds: 0 },
    memory: { time: now, availableBytes: memoryBytes, usageBytes: 0, workingSetBytes: 0 },
    fs: { time: now, availableBytes: diskBytes, capacityBytes: diskBytes, usedBytes: 0 },
  };
}

export async function nodeSummary(context: KubeletContext, pods: readonly Pod[]): Promise<statsV1alpha1.Summary> {
  const { runtime, clock, nodeName, hollow } = context;
  const now = rfc3339(clock.now());
  const [{ stats = [] }, usage] = await Promise.all([
    runtime.listContainerStats({}),
    hollow ? idleUsage(context, now) : nodeUsage(context, now),
  ]);
  const byPod = Map.groupBy(stats, (s) => s.attributes?.labels?.[podUidLabel] ?? '');
  return {
    node: { nodeName, startTime: now, ...usage },
    pods: pods.map((pod) => {
      const own = byPod.get(uidOf(pod)) ?? [];
      return {
        podRef: { name: pod.metadata.name ?? '', namespace: pod.metadata.namespace ?? '', uid: uidOf(pod) },
        startTime: pod.status?.startTime ?? now,
        containers: own.map((s) => ({
          name: s.attributes?.labels?.[containerNameLabel] ?? '',
          startTime: pod.status?.startTime ?? now,
          cpu: cpuStats(s.cpu, now),
          memory: memoryStats(s.memory, now),
        })),
        cpu: {
          time: now,
          usageNanoCores: add(own.map((s) => value(s.cpu?.usageNanoCores))),
          usageCoreNanoSeconds: add(own.map((s) => value(s.cpu?.usageCoreNanoSeconds))),
        },
        memory: {
          time: now,
          usageBytes: add(own.map((s) => value(s.memory?.usageBytes))),
          workingSetBytes: add(own.map((s) => value(s.memory?.workingSetBytes))),
        },
      };
    }),
  };
}
