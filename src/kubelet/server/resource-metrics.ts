/** /metrics/resource: what metrics-server reads (KEP-727). */
import type { statsV1alpha1 } from '../../api/index.ts';
import { metric, type Sample } from './exposition.ts';

const seconds = (nanoseconds: number | undefined) => (nanoseconds === undefined ? undefined : nanoseconds / 1e9);

function sample(value: number | undefined, time: string | undefined, labels?: Record<string, string>): Sample[] {
  if (value === undefined) return [];
  const atMs = time === undefined ? Number.NaN : Date.parse(time);
  return [{ value, ...(Number.isNaN(atMs) ? {} : { atMs }), ...(labels === undefined ? {} : { labels }) }];
}

export function resourceMetrics({ node, pods }: statsV1alpha1.Summary): string {
  const podLabels = (pod: statsV1alpha1.PodStats) => ({ namespace: pod.podRef.namespace, pod: pod.podRef.name });
  const containers = pods.flatMap((pod) =>
    (pod.containers ?? []).map((c) => ({ stats: c, labels: { container: c.name, ...podLabels(pod) } })),
  );
  const cpu = 'Cumulative cpu time consumed by the';
  const memory = 'Current working set of the';
  return [
    metric('container_cpu_usage_seconds_total', 'counter', `[STABLE] ${cpu} container in core-seconds`, [
      ...containers.flatMap(({ stats, labels }) => sample(seconds(stats.cpu?.usageCoreNanoSeconds), stats.cpu?.time, labels)),
    ]),
    metric('container_memory_working_set_bytes', 'gauge', `[STABLE] ${memory} container in bytes`, [
      ...containers.flatMap(({ stats, labels }) => sample(stats.memory?.workingSetBytes, stats.memory?.time, labels)),
    ]),
    metric('container_start_time_seconds', 'gauge', '[STABLE] Start time of the container since unix epoch in seconds', [
      ...containers.flatMap(({ stats, labels }) => sample(Date.parse(stats.startTime) / 1000, undefined, labels)),
    ]),
    metric('node_cpu_usage_seconds_total', 'counter', `[STABLE] ${cpu} node in core-seconds`, [
      ...sample(seconds(node.cpu?.usageCoreNanoSeconds), node.cpu?.time),
    ]),
    metric('node_memory_working_set_bytes', 'gauge', `[STABLE] ${memory} node in bytes`, [
      ...sample(node.memory?.workingSetBytes, node.memory?.time),
    ]),
    metric('pod_cpu_usage_seconds_total', 'counter', `[STABLE] ${cpu} pod in core-seconds`, [
      ...pods.flatMap((pod) => sample(seconds(pod.cpu?.usageCoreNanoSeconds), pod.cpu?.time, podLabels(pod))),
    ]),
    metric('pod_memory_working_set_bytes', 'gauge', `[STABLE] ${memory} pod in bytes`, [
      ...pods.flatMap((pod) => sample(pod.memory?.workingSetBytes, pod.memory?.time, podLabels(pod))),
    ]),
    metric('resource_scrape_error', 'gauge', '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise', [
      { value: 0 },
    ]),
  ].join('');
}
