/** What pods ask for and may use as scheduler and kubelet see it (KEP-1748), for /metrics/resources. */
import { Gauge, type Registry } from 'prom-client';
import { type Amounts, type Pod, podLimits, podRequests, quantityToNumber } from '../api/index.ts';

const labelNames = ['namespace', 'pod', 'node', 'scheduler', 'priority', 'resource', 'unit'] as const;
const units: Readonly<Record<string, string>> = { cpu: 'cores', memory: 'bytes', storage: 'bytes', 'ephemeral-storage': 'bytes' };

function unitOf(resource: string): string {
  if (resource.startsWith('hugepages-')) return 'bytes';
  return units[resource] ?? (resource.startsWith('attachable-volumes-') ? 'integer' : '');
}

/** Pods that have ended use nothing; one without a node can't have. */
const counts = ({ spec, status }: Pod) => !spec.nodeName || (status?.phase !== 'Succeeded' && status?.phase !== 'Failed');

export function registerPodResourceMetrics(registry: Registry, pods: () => Iterable<Pod>): void {
  const gauge = (what: 'request' | 'limit', said: string, amounts: (spec: Pod['spec']) => Amounts) =>
    new Gauge({
      name: `kube_pod_resource_${what}`,
      help: `Resources ${said} workloads on the cluster, broken down by pod. This shows the resource usage the scheduler and kubelet expect per pod for resources along with the unit for the resource if any.`,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const pod of pods()) {
          if (!counts(pod)) continue;
          const { metadata, spec } = pod;
          for (const [resource, amount] of amounts(spec)) {
            if (amount.nano === 0n) continue;
            const labels = {
              ...{ namespace: metadata.namespace ?? '', pod: metadata.name, node: spec.nodeName ?? '' },
              ...{ scheduler: spec.schedulerName ?? '', priority: spec.priority === undefined ? '' : String(spec.priority) },
              ...{ resource, unit: unitOf(resource) },
            };
            this.set(labels, quantityToNumber(amount));
          }
        }
      },
    });
  gauge('request', 'requested by', podRequests);
  gauge('limit', 'limit for', podLimits);
}
