/** The kubelet's metrics, under upstream's names. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Pod } from '../../api/index.ts';
import type { ContainerSort } from '../pod/containers.ts';
import { uidOf } from '../pod/identity.ts';
import type { PodWorker, SyncOperation } from '../workers/worker-contract.ts';

export interface ProbeAttempt {
  pod: Pod;
  container: string;
  kind: 'Startup' | 'Liveness' | 'Readiness';
  result: 'successful' | 'failed' | 'unknown' | 'warning';
  /** How long the answer took. */
  seconds: number;
}

export interface KubeletMetrics {
  /** From when the kubelet first saw a pod to when its containers ran. */
  podStarted(seconds: number): void;
  /** A worker has done a round of its work. */
  podSynced(operation: SyncOperation, seconds: number): void;
  /** A sandbox is to be made. */
  sandboxStarted(): void;
  sandboxFailed(): void;
  /** A container is to be started. */
  containerStarted(sort: ContainerSort): void;
  /** `reason`: what it then waits with. */
  containerFailed(sort: ContainerSort, reason: string): void;
  /** Images that a container is to have as volumes: asked for, then mounted with the container or not. */
  imageVolumes(what: 'requested' | 'mounted' | 'failed', count: number): void;
  /** `signal`: an eviction signal, or the name of the limit that the pod exceeded. */
  evicted(signal: string): void;
  probed(attempt: ProbeAttempt): void;
  /** The container is gone, and what was told of its probes with it. */
  forgetProbes(pod: Pod, container: string): void;
}

const nothing = () => undefined;

/** For kubelets that nobody asks. */
export const noMetrics: KubeletMetrics = {
  podStarted: nothing,
  podSynced: nothing,
  sandboxStarted: nothing,
  sandboxFailed: nothing,
  containerStarted: nothing,
  containerFailed: nothing,
  imageVolumes: nothing,
  evicted: nothing,
  probed: nothing,
  forgetProbes: nothing,
};

const containerTypes: Record<ContainerSort, string> = { init: 'init_container', regular: 'container', ephemeral: 'ephemeral_container' };
const startBuckets = [
  0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
];

export function kubeletMetrics(registry: Registry | undefined, nodeName: string, workers: () => Iterable<PodWorker>): KubeletMetrics {
  if (!registry) return noMetrics;
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) => new Counter({ name, help, labelNames, registers });
  describeWorkers(registry, nodeName, workers);
  const start = new Histogram({
    name: 'kubelet_pod_start_duration_seconds',
    help: 'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    buckets: startBuckets,
    registers,
  });
  const rounds = new Histogram({
    name: 'kubelet_pod_worker_duration_seconds',
    help: 'Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync',
    labelNames: ['operation_type'],
    registers,
  });
  const pods = counter('kubelet_started_pods_total', 'Cumulative number of pods started');
  const podErrors = counter('kubelet_started_pods_errors_total', 'Cumulative number of errors when starting pods');
  const containers = counter('kubelet_started_containers_total', 'Cumulative number of containers started', 'container_type');
  const containerErrors = counter(
    'kubelet_started_containers_errors_total',
    'Cumulative number of errors when starting containers',
    'container_type',
    'code',
  );
  const imageVolumes = {
    requested: counter('kubelet_image_volume_requested_total', 'Number of requested image volumes.'),
    mounted: counter('kubelet_image_volume_mounted_succeed_total', 'Number of successful image volume mounts.'),
    failed: counter('kubelet_image_volume_mounted_errors_total', 'Number of failed image volume mounts.'),
  };
  const evictions = counter('kubelet_evictions', 'Cumulative number of pod evictions by eviction signal', 'eviction_signal');
  const probes = counter(
    'prober_probe_total',
    'Cumulative number of a liveness, readiness or startup probe for a container by result.',
    'probe_type',
    'result',
    'container',
    'pod',
    'namespace',
    'pod_uid',
  );
  const probeDurations = new Histogram({
    name: 'prober_probe_duration_seconds',
    help: 'Duration in seconds for a probe response.',
    labelNames: ['probe_type', 'container', 'pod', 'namespace'],
    registers,
  });
  const probeLabels = (pod: Pod, container: string) => ({
    container,
    pod: pod.metadata.name ?? '',
    namespace: pod.metadata.namespace ?? '',
    pod_uid: uidOf(pod),
  });
  return {
    podStarted: (seconds) => start.observe(seconds),
    podSynced: (operation_type, seconds) => rounds.observe({ operation_type }, seconds),
    sandboxStarted: () => pods.inc(),
    sandboxFailed: () => podErrors.inc(),
    containerStarted: (sort) => containers.inc({ container_type: containerTypes[sort] }),
    containerFailed: (sort, code) => containerErrors.inc({ container_type: containerTypes[sort], code }),
    imageVolumes: (what, count) => imageVolumes[what].inc(count),
    evicted: (signal) => evictions.inc({ eviction_signal: signal }),
    probed({ pod, container, kind, result, seconds }) {
      const { pod_uid, ...of } = probeLabels(pod, container);
      probes.inc({ probe_type: kind, result, ...of, pod_uid });
      // A failed probe may have run into its time limit: its time says nothing of the container.
      if (result !== 'failed') probeDurations.observe({ probe_type: kind, ...of }, seconds);
    },
    forgetProbes(pod, container) {
      const { pod_uid: _, ...of } = probeLabels(pod, container);
      for (const probe_type of ['Startup', 'Liveness', 'Readiness']) probeDurations.remove({ probe_type, ...of });
      for (const probe_type of ['Startup', 'Liveness', 'Readiness'])
        for (const result of ['successful', 'failed', 'unknown', 'warning'])
          probes.remove({ probe_type, result, ...probeLabels(pod, container) });
    },
  };
}

/** What is read when somebody asks. */
function describeWorkers(registry: Registry, nodeName: string, workers: () => Iterable<PodWorker>): void {
  const registers = [registry];
  new Gauge({ name: 'kubelet_node_name', help: "The node's name. The count is always 1.", labelNames: ['node'], registers }).set(
    { node: nodeName },
    1,
  );
  new Gauge({
    name: 'kubelet_running_pods',
    help: 'Number of pods that have a running pod sandbox',
    registers,
    collect() {
      this.set([...workers()].filter((w) => w.observed?.sandboxes[0]?.ready).length);
    },
  });
  new Gauge({
    name: 'kubelet_running_containers',
    help: 'Number of containers currently running',
    labelNames: ['container_state'],
    registers,
    collect() {
      this.reset();
      for (const { observed } of workers()) for (const { state } of observed?.containers ?? []) this.inc({ container_state: state });
    },
  });
  new Gauge({
    name: 'kubelet_desired_pods',
    help: 'The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.',
    labelNames: ['static'],
    registers,
    collect() {
      this.set({ static: '' }, [...workers()].length);
    },
  });
}
