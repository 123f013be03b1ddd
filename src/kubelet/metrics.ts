/** The kubelet's metrics, under upstream's names. */
import { Gauge, Histogram, type Registry } from 'prom-client';
import type { PodWorker } from './workers/worker-contract.ts';

export interface KubeletMetrics {
  /** From when the kubelet first saw a pod to when its containers ran. */
  podStarted(seconds: number): void;
}

export function kubeletMetrics(registry: Registry | undefined, nodeName: string, workers: () => Iterable<PodWorker>): KubeletMetrics {
  if (!registry) return { podStarted: () => undefined };
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
  const start = new Histogram({
    name: 'kubelet_pod_start_duration_seconds',
    help: 'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    buckets: [0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600],
    registers,
  });
  return { podStarted: (seconds) => start.observe(seconds) };
}
