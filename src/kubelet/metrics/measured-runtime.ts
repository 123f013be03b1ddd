/** A runtime whose operations are counted and timed, under upstream's names (pkg/kubelet/metrics, kuberuntime's instrumented services). */
import type { Registry } from 'prom-client';
import { counters, histograms } from '../../observability/index.ts';
import type { Runtime } from '../../runtime/index.ts';

const operations = {
  version: 'version',
  status: 'status',
  runPodSandbox: 'run_podsandbox',
  stopPodSandbox: 'stop_podsandbox',
  removePodSandbox: 'remove_podsandbox',
  podSandboxStatus: 'podsandbox_status',
  listPodSandbox: 'list_podsandbox',
  createContainer: 'create_container',
  startContainer: 'start_container',
  stopContainer: 'stop_container',
  removeContainer: 'remove_container',
  listContainers: 'list_containers',
  containerStatus: 'container_status',
  updateContainerResources: 'update_container',
  reopenContainerLog: 'reopen_container_log',
  execSync: 'exec_sync',
  exec: 'exec',
  attach: 'attach',
  portForward: 'port_forward',
  containerStats: 'container_stats',
  listContainerStats: 'list_container_stats',
  podSandboxStats: 'podsandbox_stats',
  listPodSandboxStats: 'list_podsandbox_stats',
  updateRuntimeConfig: 'update_runtime_config',
  listImages: 'list_images',
  imageStatus: 'image_status',
  pullImage: 'pull_image',
  removeImage: 'remove_image',
  imageFsInfo: 'image_fs_info',
} as const satisfies Partial<Record<keyof Runtime, string>>;

/** 5 ms, and each 2.5 times the one before. */
const buckets = Array.from({ length: 14 }, (_, i) => Number((0.005 * 2.5 ** i).toPrecision(12)));

export function measuredRuntime(runtime: Runtime, registry: Registry, monotonic: () => number): Runtime {
  const total = counters(registry, {
    name: 'kubelet_runtime_operations_total',
    help: 'Cumulative number of runtime operations by operation type.',
  });
  const failed = counters(registry, {
    name: 'kubelet_runtime_operations_errors_total',
    help: 'Cumulative number of runtime operation errors by operation type.',
  });
  const took = histograms(registry, {
    name: 'kubelet_runtime_operations_duration_seconds',
    help: 'Duration in seconds of runtime operations. Broken down by operation type.',
    buckets,
  });
  type Operation = (request: unknown, options?: unknown) => Promise<unknown>;
  const measured = Object.entries(operations).map(([method, operation_type]) => {
    const labels = { operation_type };
    const [count, seconds] = [total.with(labels), took.with(labels)];
    // Each of these is one RPC: a request and options in, a promise out.
    const operation = runtime[method as keyof typeof operations] as Operation;
    const run: Operation = async (request, options) => {
      const began = monotonic();
      count.inc();
      try {
        return await operation(request, options);
      } catch (error) {
        failed.with(labels).inc();
        throw error;
      } finally {
        seconds.observe((monotonic() - began) / 1000);
      }
    };
    return [method, run] as const;
  });
  return { ...runtime, ...Object.fromEntries(measured) };
}
