/** Prometheus' text as upstream's components write it: each metric's help begins with how stable it is. */
import type { Registry } from 'prom-client';

/** Metrics whose names, labels and buckets upstream promises to keep (its stable-metrics-list). */
const stable = new Set([
  'apiserver_admission_controller_admission_duration_seconds',
  'apiserver_admission_step_admission_duration_seconds',
  'apiserver_admission_webhook_admission_duration_seconds',
  'apiserver_current_inflight_requests',
  'apiserver_longrunning_requests',
  'apiserver_request_duration_seconds',
  'apiserver_request_total',
  'apiserver_requested_deprecated_apis',
  'apiserver_response_sizes',
  'apiserver_storage_objects',
  'apiserver_storage_size_bytes',
  'cronjob_controller_job_creation_skew_duration_seconds',
  'job_controller_job_pods_finished_total',
  'job_controller_job_sync_duration_seconds',
  'job_controller_job_syncs_total',
  'job_controller_jobs_finished_total',
  'kube_pod_resource_limit',
  'kube_pod_resource_request',
  'kubernetes_healthcheck',
  'kubernetes_healthchecks_total',
  'node_collector_evictions_total',
  'scheduler_framework_extension_point_duration_seconds',
  'scheduler_pending_pods',
  'scheduler_pod_scheduling_attempts',
  'scheduler_preemption_attempts_total',
  'scheduler_preemption_victims',
  'scheduler_queue_incoming_pods_total',
  'scheduler_schedule_attempts_total',
  'scheduler_scheduling_attempt_duration_seconds',
]);

const beta = new Set([
  'apiserver_cel_compilation_duration_seconds',
  'apiserver_cel_evaluation_duration_seconds',
  'apiserver_flowcontrol_current_executing_requests',
  'apiserver_flowcontrol_current_executing_seats',
  'apiserver_flowcontrol_current_inqueue_requests',
  'apiserver_flowcontrol_dispatched_requests_total',
  'apiserver_flowcontrol_nominal_limit_seats',
  'apiserver_flowcontrol_rejected_requests_total',
  'apiserver_flowcontrol_request_wait_duration_seconds',
  'apiserver_validating_admission_policy_check_duration_seconds',
  'apiserver_validating_admission_policy_check_total',
  'kubernetes_feature_enabled',
  'apiserver_validation_declarative_validation_mismatch_total',
  'apiserver_validation_declarative_validation_panic_total',
  'prober_probe_total',
  'statefulset_controller_statefulset_max_unavailable',
  'statefulset_controller_statefulset_unavailable_replicas',
  'scheduler_pod_scheduling_sli_duration_seconds',
]);

/** The process' own metrics have no such word upstream either. */
const unlabelled = /^(process|nodejs|go)_/;

function stability(name: string): string {
  if (unlabelled.test(name)) return '';
  return stable.has(name) ? '[STABLE] ' : beta.has(name) ? '[BETA] ' : '[ALPHA] ';
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** How many metrics there are, told by themselves as upstream's registry does; none is hidden or disabled. */
function registered(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    const level = /\w+/.exec(stability(name))?.[0];
    if (level !== undefined) counts.set(level, (counts.get(level) ?? 0) + 1);
  }
  const lines = [...counts].map(
    ([level, count]) => `registered_metrics_total{stability_level="${level}",deprecated_version=""} ${count}\n`,
  );
  const head = (name: string, help: string) => `# HELP ${name} [BETA] ${help}\n# TYPE ${name} counter\n`;
  return [
    `${head('disabled_metrics_total', 'The count of disabled metrics.')}disabled_metrics_total 0\n`,
    `${head('hidden_metrics_total', 'The count of hidden metrics.')}hidden_metrics_total 0\n`,
    head('registered_metrics_total', 'The count of registered metrics broken by stability level and deprecation version.'),
    ...lines,
  ].join('');
}

/** What /metrics answers. `only`: just the metrics of these names. */
export async function exposition(registry: Registry, only?: ReadonlySet<string>): Promise<string> {
  const texts = await Promise.all(
    registry
      .getMetricsAsArray()
      .flatMap(({ name }) => (only === undefined || only.has(name) ? [registry.getSingleMetricAsString(name)] : [])),
  );
  return (
    texts
      // A family that nothing was counted in yet is not told of, as upstream.
      .filter((text) => /^[^#\n]/m.test(text))
      .map((text) => `${text.replace(/^# HELP (\S+) /, (_, name: string) => `# HELP ${name} ${stability(name)}`)}\n`)
      .join('')
      .concat(only === undefined ? registered(registry.getMetricsAsArray().map(({ name }) => name)) : '')
  );
}
