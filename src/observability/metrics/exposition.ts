/** What a component tells of itself, as upstream's components write it: each metric's help begins with how stable it is. */
import type { Metric, Registry } from 'prom-client';
import { constrained, type LabelAllowLists } from './label-allow-list.ts';
import { familyHead, labelText, type Sample, sampleLine } from './text-format.ts';

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
  'apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds',
  'apiserver_authentication_config_controller_automatic_reloads_total',
  'apiserver_authorization_config_controller_automatic_reload_last_timestamp_seconds',
  'apiserver_authorization_config_controller_automatic_reloads_total',
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
  'apiserver_validation_declarative_validation_mismatch_total',
  'apiserver_validation_declarative_validation_panic_total',
  'apiserver_watch_list_duration_seconds',
  'disabled_metrics_total',
  'hidden_metrics_total',
  'job_controller_pod_failures_handled_by_failure_policy_total',
  'job_controller_terminated_pods_tracking_finalizer_total',
  'kubelet_image_volume_mounted_errors_total',
  'kubelet_image_volume_mounted_succeed_total',
  'kubelet_image_volume_requested_total',
  'kubernetes_build_info',
  'kubernetes_feature_enabled',
  'prober_probe_total',
  'registered_metrics_total',
  'running_managed_controllers',
  'scheduler_pod_scheduling_sli_duration_seconds',
  'workqueue_adds_total',
  'workqueue_depth',
  'workqueue_longest_running_processor_seconds',
  'workqueue_queue_duration_seconds',
  'workqueue_retries_total',
  'workqueue_unfinished_work_seconds',
  'workqueue_work_duration_seconds',
]);

/** Those that are to go, by the release that has said so. A stable one is shown for three releases more. */
const deprecated = new Map([['apiserver_storage_objects', '1.34.0']]);

/** The process' own metrics have no such word upstream either. */
const unlabelled = /^(process|nodejs|go)_/;

function levelOf(name: string): string | undefined {
  if (unlabelled.test(name)) return undefined;
  return stable.has(name) ? 'STABLE' : beta.has(name) ? 'BETA' : 'ALPHA';
}

function helpOf(name: string, help: string): string {
  const level = levelOf(name);
  const since = deprecated.get(name);
  return `${level === undefined ? '' : `[${level}] `}${since === undefined ? '' : `(Deprecated since ${since}) `}${help}`;
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** What is asked for often writes its own lines (family.ts). */
interface Told {
  help: string;
  type: string;
  text(): string;
}

const linesOf = (name: string, samples: readonly Sample[]) =>
  samples.map(({ metricName, labels, value }) => sampleLine(metricName ?? name, labelText(labels), value)).join('');

async function told(metric: Metric): Promise<Told> {
  // The library's metrics have their samples only, and their types as the text has them.
  if ('text' in metric) return metric as unknown as Told;
  const { help, type, name, values } = (await metric.get()) as unknown as { help: string; type: string; name: string; values: Sample[] };
  return {
    help,
    type,
    text: () => linesOf(name, values),
  };
}

const family = (name: string, help: string, type: string, lines: string) => familyHead(name, helpOf(name, help), type) + lines;

const disabled = new WeakMap<Registry, ReadonlySet<string>>();

/** --disabled-metrics: has a component not tell of these, by their whole names. */
export function disableMetrics(registry: Registry, names: readonly string[]): void {
  disabled.set(registry, new Set(names));
}

const allowLists = new WeakMap<Registry, LabelAllowLists>();

/** --allow-metric-labels: has a component tell of the other values of these metrics' labels as of one. */
export function allowMetricLabels(registry: Registry, lists: LabelAllowLists): void {
  allowLists.set(registry, lists);
}

/** The same with the samples that are allowed, and how many were of a value that is not. */
async function toldOf(metric: Metric, allowed: ReadonlyMap<string, ReadonlySet<string>> | undefined): Promise<Told & { replaced: number }> {
  if (allowed === undefined) {
    const of = await told(metric);
    return { help: of.help, type: of.type, text: () => of.text(), replaced: 0 };
  }
  const { help, type, name, values } = (await metric.get()) as unknown as { help: string; type: string; name: string; values: Sample[] };
  const { samples, replaced } = constrained(name, values, allowed);
  return { help, type, text: () => linesOf(name, samples), replaced };
}

/** How many metrics there are, told by themselves as upstream's registry does; none is hidden. */
function registered(names: readonly string[], disabledCount: number): [name: string, text: string][] {
  const counts = new Map<string, number>();
  for (const name of names) {
    const level = levelOf(name);
    const labels = labelText({ stability_level: level ?? '', deprecated_version: deprecated.get(name) ?? '' });
    if (level !== undefined) counts.set(labels, (counts.get(labels) ?? 0) + 1);
  }
  const total = 'registered_metrics_total';
  const lines = [...counts].map(([labels, count]) => sampleLine(total, labels, count)).sort();
  const told = (what: string, count: number): [string, string] => {
    const name = `${what}_metrics_total`;
    return [name, family(name, `The count of ${what} metrics.`, 'counter', sampleLine(name, '', count))];
  };
  return [
    told('disabled', disabledCount),
    told('hidden', 0),
    [total, family(total, 'The count of registered metrics broken by stability level and deprecation version.', 'counter', lines.join(''))],
  ];
}

/** What /metrics answers, by name. `only`: just the metrics of these names. */
export async function exposition(registry: Registry, only?: ReadonlySet<string>): Promise<string> {
  // Every metric has a name; the library's type does not say so.
  const all = registry.getMetricsAsArray() as unknown as (Metric & { name: string })[];
  const untold = disabled.get(registry);
  const metrics = untold === undefined ? all : all.filter(({ name }) => !untold.has(name));
  const names = metrics.map(({ name }) => name);
  const families: [name: string, text: string][] = only === undefined ? registered(names, untold?.size ?? 0) : [];
  const allowed = allowLists.get(registry);
  let replaced = 0;
  for (const metric of metrics) {
    const { name } = metric;
    if (only !== undefined && !only.has(name)) continue;
    const of = await toldOf(metric, allowed?.get(name));
    replaced += of.replaced;
    const text = of.text();
    // A family that nothing was counted in yet is not told of, as upstream.
    if (text !== '') families.push([name, family(name, of.help, of.type, text)]);
  }
  if (only === undefined) {
    const name = 'cardinality_enforcement_unexpected_categorizations_total';
    const help = 'The count of unexpected categorizations during cardinality enforcement.';
    families.push([name, family(name, help, 'counter', sampleLine(name, '', replaced))]);
  }
  return families
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join('');
}
