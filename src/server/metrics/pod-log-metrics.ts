/** How logs are asked of kubelets, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters } from '../../observability/index.ts';

export interface PodLogMetrics {
  /** One request; `insecure`: whoever it is that answers (insecureSkipTLSVerifyBackend). */
  asked(insecure: boolean): void;
  /** The kubelet's certificate could not be verified. */
  unverified(): void;
}

export function createPodLogMetrics(registry: Registry): PodLogMetrics {
  const requests = counters(registry, {
    name: 'kube_apiserver_pod_logs_insecure_backend_total',
    help: 'Total number of requests for pods/logs sliced by usage type: enforce_tls, skip_tls_allowed, skip_tls_denied',
  });
  const failures = counters(registry, {
    name: 'kube_apiserver_pod_logs_backend_tls_failure_total',
    help: 'Total number of requests for pods/logs that failed due to kubelet server TLS verification',
  }).with({});
  return {
    asked: (insecure) => requests.with({ usage: insecure ? 'skip_tls_allowed' : 'enforce_tls' }).inc(),
    unverified: () => failures.inc(),
  };
}
