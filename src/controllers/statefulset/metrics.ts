import type { StatefulSet } from '../../api/index.ts';
import type { ControllerMetrics } from '../framework/index.ts';

const prefix = 'statefulset_controller_statefulset_';
const labelNames = ['statefulset_namespace', 'statefulset_name', 'pod_management_policy'];

const labelsOf = ({ metadata, spec }: StatefulSet) => ({
  statefulset_namespace: metadata.namespace ?? '',
  statefulset_name: metadata.name,
  pod_management_policy: spec.podManagementPolicy ?? 'OrderedReady',
});

/** Upstream's metrics of the StatefulSet controller (KEP-961). */
export function createStatefulSetMetrics(metrics: ControllerMetrics) {
  const most = metrics.gauge(
    `${prefix}max_unavailable`,
    'Maximum number of unavailable pods allowed during StatefulSet rolling updates',
    labelNames,
  );
  const unavailable = metrics.gauge(`${prefix}unavailable_replicas`, 'Current number of unavailable pods in StatefulSet', labelNames);
  return {
    observed(set: StatefulSet, budget: { maxUnavailable: number; unavailable: number }): void {
      most.set(labelsOf(set), budget.maxUnavailable);
      unavailable.set(labelsOf(set), budget.unavailable);
    },
    forget(set: StatefulSet): void {
      most.remove(labelsOf(set));
      unavailable.remove(labelsOf(set));
    },
  };
}
