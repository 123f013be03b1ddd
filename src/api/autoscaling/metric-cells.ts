/** TARGETS of an autoscaler: for each metric the present value and the wanted one. */
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../generated/autoscaling.v2.ts';

const shown = 2;
const unknown = '<unknown>';

function average({ averageValue, value }: MetricTarget, current: MetricValueStatus | undefined): string {
  return averageValue === undefined
    ? `${current?.value ?? unknown}/${value ?? unknown}`
    : `${current?.averageValue ?? unknown}/${averageValue} (avg)`;
}

function ofResource(name: string, target: MetricTarget, current: MetricValueStatus | undefined): string {
  if (target.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
  const percent = (value: number | undefined, otherwise: string) => (value === undefined ? otherwise : `${value}%`);
  return `${name}: ${percent(current?.averageUtilization, unknown)}/${percent(target.averageUtilization, '<auto>')}`;
}

function cell(spec: MetricSpec, status: MetricStatus | undefined): string {
  if (spec.external) return average(spec.external.target, status?.external?.current);
  if (spec.object) return average(spec.object.target, status?.object?.current);
  if (spec.pods) return `${status?.pods?.current.averageValue ?? unknown}/${spec.pods.target.averageValue ?? ''}`;
  if (spec.resource) return ofResource(spec.resource.name, spec.resource.target, status?.resource?.current);
  if (spec.containerResource)
    return ofResource(spec.containerResource.name, spec.containerResource.target, status?.containerResource?.current);
  return '<unknown type>';
}

export function metricsCell({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const cells = metrics.slice(0, shown).map((metric, i) => cell(metric, status?.currentMetrics?.[i]));
  return cells.join(', ') + (metrics.length > shown ? ` + ${metrics.length - shown} more...` : '');
}
