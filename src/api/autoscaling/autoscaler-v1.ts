/** HorizontalPodAutoscaler in autoscaling/v1: a target for CPU alone; all that v2 added travels in annotations. */
import type * as v1 from '../generated/autoscaling.v1.ts';
import type * as v2 from '../generated/autoscaling.v2.ts';
import type { Conversion } from '../served-version.ts';
import { metricFromV1, metricToV1 } from './metrics-v1.ts';

const annotation = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  statuses: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const;

const isCpuUtilization = ({ type, resource }: v2.MetricSpec) =>
  type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;

/** An annotation's content; one that can't be read counts as absent, as upstream has it. */
function parse<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    // Only conversion writes these annotations; a client that writes one by hand has it validated as part of the spec.
    return JSON.parse(text) as T;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function withAnnotations(metadata: v2.HorizontalPodAutoscaler['metadata'], add: Record<string, unknown>) {
  const entries = Object.entries(add).filter(([, value]) => value !== undefined);
  const { annotations, ...rest } = metadata;
  const known: readonly string[] = Object.values(annotation);
  const all = {
    ...Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => !known.includes(key))),
    ...Object.fromEntries(entries.map(([key, value]) => [key, JSON.stringify(value)])),
  };
  return Object.keys(all).length > 0 ? { ...rest, annotations: all } : rest;
}

export const autoscalerV1: Conversion<v1.HorizontalPodAutoscaler, v2.HorizontalPodAutoscaler> = {
  toStorage({ metadata, spec, status, ...hpa }) {
    const notes = metadata.annotations ?? {};
    const { targetCPUUtilizationPercentage: cpu, ...rest } = spec;
    const others = parse<v1.MetricSpec[]>(notes[annotation.metrics])?.map(metricFromV1) ?? [];
    const cpuMetric: v2.MetricSpec[] =
      cpu === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpu } } }];
    const behavior = parse<v2.HorizontalPodAutoscalerBehavior>(notes[annotation.behavior]);
    const metrics = [...others, ...cpuMetric];
    return {
      ...hpa,
      metadata: withAnnotations(metadata, {}),
      spec: { ...rest, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior ? { behavior } : {}) },
      ...(status ? { status: statusToV2(status, notes) } : {}),
    };
  },
  fromStorage({ metadata, spec, status, ...hpa }) {
    const { metrics = [], behavior, ...rest } = spec;
    const cpuAt = metrics.findIndex(isCpuUtilization);
    const others = metrics.filter((_, i) => i !== cpuAt).map(metricToV1);
    const cpu = metrics[cpuAt]?.resource?.target.averageUtilization;
    const { currentMetrics, conditions, ...counts } = status ?? { desiredReplicas: 0 };
    const cpuNow = currentMetrics?.find(({ resource }) => resource?.name === 'cpu')?.resource?.current.averageUtilization;
    return {
      ...hpa,
      metadata: withAnnotations(metadata, {
        [annotation.metrics]: others.length > 0 ? others : undefined,
        [annotation.behavior]: behavior,
        [annotation.conditions]: conditions?.length ? conditions : undefined,
        [annotation.statuses]: currentMetrics?.length ? currentMetrics : undefined,
      }),
      spec: { ...rest, ...(cpu === undefined ? {} : { targetCPUUtilizationPercentage: cpu }) },
      ...(status
        ? {
            status: {
              ...counts,
              currentReplicas: counts.currentReplicas ?? 0,
              ...(cpuNow === undefined ? {} : { currentCPUUtilizationPercentage: cpuNow }),
            },
          }
        : {}),
    };
  },
};

function statusToV2(status: v1.HorizontalPodAutoscalerStatus, notes: Readonly<Record<string, string>>): v2.HorizontalPodAutoscalerStatus {
  const { currentCPUUtilizationPercentage: cpu, currentReplicas, ...counts } = status;
  const conditions = parse<v2.HorizontalPodAutoscalerCondition[]>(notes[annotation.conditions]);
  const currentMetrics =
    parse<v2.MetricStatus[]>(notes[annotation.statuses]) ??
    (cpu === undefined ? undefined : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: cpu } } }]);
  // Left out in v2 where it is zero.
  return {
    ...counts,
    ...(currentReplicas ? { currentReplicas } : {}),
    ...(currentMetrics ? { currentMetrics } : {}),
    ...(conditions ? { conditions } : {}),
  };
}
