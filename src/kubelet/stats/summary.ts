/** What /stats/summary answers: the node's and its pods' use of CPU, memory and disk. */
import type { Pod, statsV1alpha1 } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import type { KubeletContext } from '../context.ts';
import { uidOf } from '../pod/identity.ts';
import { rfc3339 } from '../status/container-statuses.ts';
import { nodeUsage } from './node-usage.ts';
import { type StorageUsage, storageUsage, totalBytes, writableLayers } from './storage-usage.ts';

export interface SummaryOptions {
  /** Leaves out disks, which are measured file by file (`?only_cpu_and_memory=true`). */
  onlyCpuAndMemory?: boolean;
}

const value = (v: { value?: number } | undefined) => (v?.value === undefined ? undefined : Number(v.value));
const add = (values: (number | undefined)[]) => values.reduce<number>((total, v) => total + (v ?? 0), 0);

function cpuStats(cpu: cri.CpuUsage | undefined, time: string): statsV1alpha1.CPUStats {
  const nano = value(cpu?.usageNanoCores);
  const total = value(cpu?.usageCoreNanoSeconds);
  return {
    time,
    ...(nano === undefined ? {} : { usageNanoCores: nano }),
    ...(total === undefined ? {} : { usageCoreNanoSeconds: total }),
  };
}

function memoryStats(memory: cri.MemoryUsage | undefined, time: string): statsV1alpha1.MemoryStats {
  const fields = {
    usageBytes: value(memory?.usageBytes),
    workingSetBytes: value(memory?.workingSetBytes),
    rssBytes: value(memory?.rssBytes),
    availableBytes: value(memory?.availableBytes),
    pageFaults: value(memory?.pageFaults),
    majorPageFaults: value(memory?.majorPageFaults),
  };
  return { time, ...Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined)) };
}

/** Containers that run, by their runtime's id, and since when. */
function runningSince({ status }: Pod): Map<string, string> {
  const all = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  return new Map(
    all.flatMap(({ state, containerID = '' }) =>
      state?.running ? [[containerID.slice(containerID.indexOf('://') + 3), state.running.startedAt ?? ''] as const] : [],
    ),
  );
}

/** Whether statistics are of a container's present run: the runtime has those of earlier ones as well, all zero. */
export function measuresRun(pods: readonly Pod[]): (stats: cri.ContainerStats) => boolean {
  const running = new Set(pods.flatMap((pod) => [...runningSince(pod).keys()]));
  return ({ attributes }) => running.has(attributes?.id ?? '');
}

/** What of the disk is a pod's and its containers'. */
function diskStats(pod: Pod, usage: StorageUsage, fs: statsV1alpha1.FsStats) {
  const of = (usedBytes: number): statsV1alpha1.FsStats => ({ ...fs, usedBytes });
  return {
    container: (name: string) => {
      const own = usage.containers.get(name);
      return own ? { rootfs: of(own.layer), logs: of(own.logs) } : {};
    },
    pod: {
      volume: [...usage.emptyDirs].map(([name, bytes]) => ({ ...of(bytes), name })),
      'ephemeral-storage': of(totalBytes(pod, usage)),
    },
  };
}

function podStats(pod: Pod, stats: readonly cri.ContainerStats[], disk: ReturnType<typeof diskStats> | undefined, time: string) {
  const since = runningSince(pod);
  return {
    podRef: { name: pod.metadata.name ?? '', namespace: pod.metadata.namespace ?? '', uid: uidOf(pod) },
    startTime: pod.status?.startTime ?? time,
    containers: stats.map(({ attributes, cpu, memory }) => {
      const name = attributes?.labels?.[containerNameLabel] ?? '';
      return {
        name,
        startTime: since.get(attributes?.id ?? '') ?? time,
        cpu: cpuStats(cpu, time),
        memory: memoryStats(memory, time),
        ...disk?.container(name),
      };
    }),
    cpu: {
      time,
      usageNanoCores: add(stats.map((s) => value(s.cpu?.usageNanoCores))),
      usageCoreNanoSeconds: add(stats.map((s) => value(s.cpu?.usageCoreNanoSeconds))),
    },
    memory: {
      time,
      usageBytes: add(stats.map((s) => value(s.memory?.usageBytes))),
      workingSetBytes: add(stats.map((s) => value(s.memory?.workingSetBytes))),
    },
    ...disk?.pod,
  };
}

export async function nodeSummary(
  context: KubeletContext,
  all: readonly Pod[],
  { onlyCpuAndMemory = false }: SummaryOptions = {},
): Promise<statsV1alpha1.Summary> {
  const { runtime, clock, nodeName, hollow, paths } = context;
  const now = rfc3339(clock.now());
  // A pod that has ended uses nothing.
  const pods = all.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
  const withDisk = !onlyCpuAndMemory && !hollow;
  const [{ stats = [] }, usage, layers] = await Promise.all([
    runtime.listContainerStats({}),
    nodeUsage(context, now),
    withDisk ? writableLayers(runtime) : undefined,
  ]);
  const byPod = Map.groupBy(stats.filter(measuresRun(pods)), (s) => s.attributes?.labels?.[podUidLabel] ?? '');
  const { usedBytes: _, inodesUsed: __, ...filesystem } = usage.fs;
  const { fs, ...cpuAndMemory } = usage;
  return {
    node: { nodeName, startTime: now, ...cpuAndMemory, ...(onlyCpuAndMemory ? {} : { fs }) },
    pods: await Promise.all(
      pods.map(async (pod) => {
        const disk = layers && diskStats(pod, await storageUsage(pod, layers.get(uidOf(pod)), paths), filesystem);
        return podStats(pod, byPod.get(uidOf(pod)) ?? [], disk, now);
      }),
    ),
  };
}
