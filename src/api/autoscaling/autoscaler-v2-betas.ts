/** HorizontalPodAutoscaler in autoscaling/v2beta1, which has v1's metrics in fields, and v2beta2, which lacks only the newest of v2's. */
import type * as v2 from '../generated/autoscaling.v2.ts';
import type * as v2beta1 from '../generated/autoscaling.v2beta1.ts';
import type * as v2beta2 from '../generated/autoscaling.v2beta2.ts';
import type { Conversion } from '../served-version.ts';
import { annotation, behaviorNote, readBehavior, withAnnotations } from './autoscaler-annotations.ts';
import { metricFromV1, metricStatusFromV1, metricStatusToV1, metricToV1 } from './metrics-v1.ts';

/** What is zero or null is left out in v2. */
function statusToV2(
  {
    currentReplicas,
    currentMetrics: _,
    conditions,
    ...counts
  }: v2beta1.HorizontalPodAutoscalerStatus | v2beta2.HorizontalPodAutoscalerStatus,
  currentMetrics: v2.MetricStatus[] | undefined,
): v2.HorizontalPodAutoscalerStatus {
  return {
    ...counts,
    ...(currentReplicas ? { currentReplicas } : {}),
    ...(currentMetrics ? { currentMetrics } : {}),
    ...(conditions ? { conditions } : {}),
  };
}

const counted = ({ currentReplicas = 0, currentMetrics = [], conditions = [], ...counts }: v2.HorizontalPodAutoscalerStatus) => ({
  ...counts,
  currentReplicas,
  currentMetrics,
  conditions,
});

export const autoscalerV2beta1: Conversion<v2beta1.HorizontalPodAutoscaler, v2.HorizontalPodAutoscaler> = {
  toStorage({ metadata, spec, status, ...hpa }) {
    const { metrics, ...rest } = spec;
    const behavior = readBehavior(metadata.annotations?.[annotation.behavior]);
    return {
      ...hpa,
      metadata: withAnnotations(metadata, {}),
      spec: { ...rest, ...(metrics ? { metrics: metrics.map(metricFromV1) } : {}), ...(behavior ? { behavior } : {}) },
      ...(status ? { status: statusToV2(status, status.currentMetrics?.map(metricStatusFromV1)) } : {}),
    };
  },
  fromStorage({ metadata, spec, status, ...hpa }) {
    const { metrics, behavior, ...rest } = spec;
    const counts = status && counted(status);
    return {
      ...hpa,
      metadata: withAnnotations(metadata, { [annotation.behavior]: behavior && behaviorNote(behavior) }),
      spec: { ...rest, ...(metrics ? { metrics: metrics.map(metricToV1) } : {}) },
      ...(counts ? { status: { ...counts, currentMetrics: counts.currentMetrics.map(metricStatusToV1) } } : {}),
    };
  },
};

type Behavior = v2.HorizontalPodAutoscalerBehavior;
const directions = ['scaleUp', 'scaleDown'] as const;

function withoutTolerances(behavior: Behavior): v2beta2.HorizontalPodAutoscalerBehavior {
  const rules = directions.flatMap((direction) => {
    if (!behavior[direction]) return [];
    const { tolerance: _, ...rest } = behavior[direction];
    return [[direction, rest]];
  });
  return Object.fromEntries(rules);
}

/** With the tolerances of the annotation, for the directions that the behavior has. */
function withTolerances(behavior: v2beta2.HorizontalPodAutoscalerBehavior, noted: Behavior | undefined): Behavior {
  const rules = directions.flatMap((direction) => {
    const tolerance = noted?.[direction]?.tolerance;
    return behavior[direction] ? [[direction, { ...behavior[direction], ...(tolerance === undefined ? {} : { tolerance }) }]] : [];
  });
  return Object.fromEntries(rules);
}

export const autoscalerV2beta2: Conversion<v2beta2.HorizontalPodAutoscaler, v2.HorizontalPodAutoscaler> = {
  toStorage({ metadata, spec, status, ...hpa }) {
    const { behavior, ...rest } = spec;
    const noted = readBehavior(metadata.annotations?.[annotation.behavior]);
    return {
      ...hpa,
      metadata: withAnnotations(metadata, {}),
      spec: { ...rest, ...(behavior ? { behavior: withTolerances(behavior, noted) } : {}) },
      ...(status ? { status: statusToV2(status, status.currentMetrics) } : {}),
    };
  },
  fromStorage({ metadata, spec, status, ...hpa }) {
    const { behavior, ...rest } = spec;
    const isNoted = directions.some((direction) => behavior?.[direction]?.tolerance !== undefined);
    return {
      ...hpa,
      metadata: withAnnotations(metadata, { [annotation.behavior]: isNoted && behavior ? behaviorNote(behavior) : undefined }),
      spec: { ...rest, ...(behavior ? { behavior: withoutTolerances(behavior) } : {}) },
      ...(status ? { status: counted(status) } : {}),
    };
  },
};
