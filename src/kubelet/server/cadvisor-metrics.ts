/** /metrics/cadvisor: containers' use of the machine, under cAdvisor's names and labels, as far as the runtime measures it. */
import type { Pod } from '../../api/index.ts';
import type { cri, Runtime } from '../../runtime/index.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import type { MachineInfo } from '../node/machine.ts';
import { uidOf } from '../pod/identity.ts';
import { measuresRun } from '../stats/summary.ts';
import { metric, type Sample } from './exposition.ts';

const number = (v: { value?: number | string } | undefined) => (v?.value === undefined ? undefined : Number(v.value));

/** Where the kubelet puts a pod's containers below its cgroup root. */
function cgroupOf(pod: Pod, containerId: string): string {
  const qos = pod.status?.qosClass ?? 'BestEffort';
  return ['/kubepods', ...(qos === 'Guaranteed' ? [] : [qos.toLowerCase()]), `pod${uidOf(pod)}`, containerId].join('/');
}

interface Measured {
  stats: cri.ContainerStats;
  labels: Record<string, string>;
}

function measured(pods: readonly Pod[], all: readonly cri.ContainerStats[]): Measured[] {
  const byUid = new Map(pods.map((pod) => [uidOf(pod), pod]));
  return all.filter(measuresRun(pods)).flatMap((stats) => {
    const { id = '', labels = {} } = stats.attributes ?? {};
    const pod = byUid.get(labels[podUidLabel] ?? '');
    if (pod === undefined) return [];
    const container = labels[containerNameLabel] ?? '';
    const image = pod.status?.containerStatuses?.find((s) => s.name === container)?.image ?? '';
    const { namespace = '', name = '' } = pod.metadata;
    return [{ stats, labels: { container, id: cgroupOf(pod, id), image, name: id, namespace, pod: name } }];
  });
}

/** CRI's timestamps are nanoseconds. */
const milliseconds = (timestamp: number | string | undefined) => (timestamp ? { atMs: Math.floor(Number(timestamp) / 1e6) } : {});

function memorySamples(list: readonly Measured[], field: 'usageBytes' | 'workingSetBytes' | 'rssBytes'): Sample[] {
  return list.flatMap(({ stats: { memory }, labels }) => {
    const value = number(memory?.[field]);
    return value === undefined ? [] : [{ value, labels, ...milliseconds(memory?.timestamp) }];
  });
}

export async function cadvisorMetrics(
  { machine, pods, runtime }: { machine: MachineInfo; pods: readonly Pod[]; runtime: Pick<Runtime, 'listContainerStats'> },
  signal: AbortSignal,
): Promise<string> {
  const list = measured(pods, (await runtime.listContainerStats({}, { signal })).stats ?? []);
  const { machineID: machine_id, systemUUID: system_uuid, bootID: boot_id } = machine;
  const labels = { boot_id, machine_id, system_uuid };
  return [
    metric(
      'cadvisor_version_info',
      'gauge',
      "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.",
      [
        {
          value: 1,
          labels: {
            cadvisorRevision: '',
            cadvisorVersion: '',
            dockerVersion: '',
            kernelVersion: machine.kernelVersion,
            osVersion: machine.osImage,
          },
        },
      ],
    ),
    metric(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed in seconds.',
      list.flatMap(({ stats: { cpu }, labels: own }) => {
        const value = number(cpu?.usageCoreNanoSeconds);
        return value === undefined ? [] : [{ value: value / 1e9, labels: { ...own, cpu: 'total' }, ...milliseconds(cpu?.timestamp) }];
      }),
    ),
    metric('container_memory_rss', 'gauge', 'Size of RSS in bytes.', memorySamples(list, 'rssBytes')),
    metric(
      'container_memory_usage_bytes',
      'gauge',
      'Current memory usage in bytes, including all memory regardless of when it was accessed',
      memorySamples(list, 'usageBytes'),
    ),
    metric('container_memory_working_set_bytes', 'gauge', 'Current working set in bytes.', memorySamples(list, 'workingSetBytes')),
    metric('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', [{ value: machine.cpus, labels }]),
    metric('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', [{ value: machine.memoryBytes, labels }]),
    metric('machine_swap_bytes', 'gauge', 'Amount of swap memory available on the machine.', [{ value: machine.swapBytes, labels }]),
  ].join('');
}
