/** HorizontalPodAutoscaler in autoscaling/v1: a target for CPU alone; all that v2 added travels in annotations. */
import { decodeValue } from '../decode.ts';
import type * as v1 from '../generated/autoscaling.v1.ts';
import type * as v2 from '../generated/autoscaling.v2.ts';
import { isJsonObject } from '../json-object.ts';
import { DecodeError, parseJson } from '../json-text.ts';
import { structNode } from '../schema/table.ts';
import type { Conversion } from '../served-version.ts';
import { metricFromV1, metricStatusFromV1, metricStatusToV1, metricToV1 } from './metrics-v1.ts';

const annotation = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  statuses: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const;

const isCpuUtilization = ({ type, resource }: v2.MetricSpec) =>
  type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;

/** What `read` makes of an annotation's content; what can't be read counts as absent, as upstream has it. */
function parse<T>(text: string | undefined, read: (value: unknown) => T): T | undefined {
  if (text === undefined) return undefined;
  try {
    const { value } = parseJson(text);
    return value === null ? undefined : read(value);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** A list in an annotation; each item is of the type, whatever a client has written there. */
function listOf<T>(text: string | undefined, type: string): T[] | undefined {
  return parse(text, (value) => {
    if (!Array.isArray(value)) throw new DecodeError('no list');
    const node = structNode(type);
    return value.map((item) => decodeValue(node, item ?? {}) as T); // decoded by T's own row of the table
  });
}

const capitalized = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);
const uncapitalized = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);

/** A copy whose fields are named by `rename`, at all depths. */
function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [rename(name), renamed(item, rename)]));
}

/** Upstream writes its internal type here: capitalized names in its order, nothing left out. */
function behaviorNote({ scaleUp, scaleDown }: v2.HorizontalPodAutoscalerBehavior): unknown {
  const rules = (given: v2.HPAScalingRules | undefined) => {
    if (!given) return null;
    const { stabilizationWindowSeconds = null, selectPolicy = null, policies = null, tolerance = null } = given;
    return {
      stabilizationWindowSeconds,
      selectPolicy,
      policies: policies?.map(({ type, value, periodSeconds }) => ({ type, value, periodSeconds })) ?? null,
      tolerance,
    };
  };
  return renamed({ scaleUp: rules(scaleUp), scaleDown: rules(scaleDown) }, capitalized);
}

/** Of fields in either spelling. */
function readBehavior(text: string | undefined): v2.HorizontalPodAutoscalerBehavior | undefined {
  const node = structNode('autoscaling.v2.HorizontalPodAutoscalerBehavior');
  const behavior = parse(text, (value) => decodeValue(node, withoutNulls(renamed(value, uncapitalized))));
  return isJsonObject(behavior) && Object.keys(behavior).length > 0 ? behavior : undefined;
}

function withoutNulls(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const present = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(present.map(([name, item]) => [name, withoutNulls(item)]));
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
