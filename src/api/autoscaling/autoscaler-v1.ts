/** HorizontalPodAutoscaler in autoscaling/v1: a target for CPU alone; all that v2 added travels in annotations. */
import type * as v1 from '../generated/autoscaling.v1.ts';
import type * as v2 from '../generated/autoscaling.v2.ts';
import type { Conversion } from '../served-version.ts';
import { annotation, behaviorNote, listOf, readBehavior, withAnnotations } from './autoscaler-annotations.ts';
import { metricFromV1, metricStatusFromV1, metricStatusToV1, metricToV1 } from './metrics-v1.ts';

const isCpuUtilization = ({ type, resource }: v2.MetricSpec) =>
  type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;

export const autoscalerV1: Conversion<v1.HorizontalPodAutoscaler, v2.HorizontalPodAutoscaler> = {
  toStorage({ metadata, spec, status, ...hpa }) {
    const notes = metadata.annotations ?? {};
    const { targetCPUUtilizationPercentage: cpu, ...rest } = spec;
    const others = listOf<v1.MetricSpec>(notes[annotation.metrics], 'autoscaling.v1.MetricSpec')?.map(metricFromV1) ?? [];
    const cpuMetric: v2.MetricSpec[] =
      cpu === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpu } } }];
    const behavior = readBehavior(notes[annotation.behavior]);
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
    const others = metrics.filter((metric) => !isCpuUtilization(metric)).map(metricToV1);
    const cpu = metrics.find(isCpuUtilization)?.resource?.target.averageUtilization;
    const { currentMetrics, conditions, ...counts } = status ?? { desiredReplicas: 0 };
    const cpuNow = currentMetrics?.find(({ resource }) => resource?.name === 'cpu')?.resource?.current.averageUtilization;
    return {
      ...hpa,
      metadata: withAnnotations(metadata, {
        [annotation.metrics]: others.length > 0 ? others : undefined,
        [annotation.behavior]: behavior && behaviorNote(behavior),
        [annotation.conditions]: conditions?.length ? conditions : undefined,
        [annotation.statuses]: currentMetrics?.length ? currentMetrics.map(metricStatusToV1) : undefined,
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
  const conditions = listOf<v2.HorizontalPodAutoscalerCondition>(
    notes[annotation.conditions],
    'autoscaling.v2.HorizontalPodAutoscalerCondition',
  );
  const currentMetrics =
    listOf<v1.MetricStatus>(notes[annotation.statuses], 'autoscaling.v1.MetricStatus')?.map(metricStatusFromV1) ??
    (cpu === undefined ? undefined : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: cpu } } }]);
  // Left out in v2 where it is zero.
  return {
    ...counts,
    ...(currentReplicas ? { currentReplicas } : {}),
    ...(currentMetrics ? { currentMetrics } : {}),
    ...(conditions ? { conditions } : {}),
  };
}
