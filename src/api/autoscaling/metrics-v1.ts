/** Metrics in the shape that autoscaling/v1 carries in annotations (upstream: pkg/apis/autoscaling/v1/conversion.go). */
import type * as v1 from '../generated/autoscaling.v1.ts';
import type * as v2 from '../generated/autoscaling.v2.ts';

/** Leaves out what has no value. */
function defined<T extends object>(object: T): T {
  // What is left has the fields that the type demands: only optional ones can be undefined.
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

const target = (value?: string, averageValue?: string, averageUtilization?: number): v2.MetricTarget =>
  defined({
    type: averageUtilization !== undefined ? 'Utilization' : averageValue !== undefined ? 'AverageValue' : 'Value',
    value,
    averageValue,
    averageUtilization,
  });

const utilization = (t: v2.MetricTarget) => ({ targetAverageUtilization: t.averageUtilization, targetAverageValue: t.averageValue });
const metric = (name: string, selector: v2.MetricIdentifier['selector']): v2.MetricIdentifier => defined({ name, selector });

export function metricToV1({ type, object, pods, resource, containerResource, external }: v2.MetricSpec): v1.MetricSpec {
  return defined<v1.MetricSpec>({
    // The kinds of metrics are the same.
    type: type as v1.MetricSourceType,
    object:
      object &&
      defined({
        target: object.describedObject,
        metricName: object.metric.name,
        targetValue: object.target.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.target.averageValue,
      }),
    pods:
      pods &&
      defined({ metricName: pods.metric.name, targetAverageValue: pods.target.averageValue ?? '0', selector: pods.metric.selector }),
    resource: resource && defined({ name: resource.name, ...utilization(resource.target) }),
    containerResource:
      containerResource &&
      defined({ name: containerResource.name, ...utilization(containerResource.target), container: containerResource.container }),
    external:
      external &&
      defined({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        targetValue: external.target.value,
        targetAverageValue: external.target.averageValue,
      }),
  });
}

export function metricFromV1({ type, object, pods, resource, containerResource, external }: v1.MetricSpec): v2.MetricSpec {
  return defined<v2.MetricSpec>({
    type,
    object: object && {
      describedObject: object.target,
      target: target(object.averageValue === undefined ? object.targetValue : undefined, object.averageValue),
      metric: metric(object.metricName, object.selector),
    },
    pods: pods && { metric: metric(pods.metricName, pods.selector), target: target(undefined, pods.targetAverageValue) },
    resource: resource && {
      name: resource.name,
      target: target(undefined, resource.targetAverageValue, resource.targetAverageUtilization),
    },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      target: target(undefined, containerResource.targetAverageValue, containerResource.targetAverageUtilization),
    },
    external: external && {
      metric: metric(external.metricName, external.metricSelector),
      target: target(external.targetValue, external.targetAverageValue),
    },
  });
}

/** What was measured, in the order of v1's fields. v1 has no value that is absent but zero. */
export function metricStatusToV1({ type, object, pods, resource, containerResource, external }: v2.MetricStatus): v1.MetricStatus {
  const usage = ({ averageUtilization, averageValue }: v2.MetricValueStatus) => ({
    currentAverageUtilization: averageUtilization,
    currentAverageValue: averageValue ?? '0',
  });
  return defined<v1.MetricStatus>({
    // The kinds of metrics are the same.
    type: type as v1.MetricSourceType,
    object:
      object &&
      defined({
        target: object.describedObject,
        metricName: object.metric.name,
        currentValue: object.current.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.current.averageValue,
      }),
    pods:
      pods &&
      defined({ metricName: pods.metric.name, currentAverageValue: pods.current.averageValue ?? '0', selector: pods.metric.selector }),
    resource: resource && defined({ name: resource.name, ...usage(resource.current) }),
    containerResource:
      containerResource &&
      defined({ name: containerResource.name, ...usage(containerResource.current), container: containerResource.container }),
    external:
      external &&
      defined({
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        currentValue: external.current.value ?? '0',
        currentAverageValue: external.current.averageValue,
      }),
  });
}

/** Beside an average, a zero says that there was no value: the controller notes one of the two. */
const measured = (value: string | undefined, averageValue: string | undefined): v2.MetricValueStatus =>
  defined({ value: averageValue !== undefined && value === '0' ? undefined : value, averageValue });

export function metricStatusFromV1({ type, object, pods, resource, containerResource, external }: v1.MetricStatus): v2.MetricStatus {
  const usage = (given: v1.ResourceMetricStatus): v2.MetricValueStatus =>
    defined({ averageValue: given.currentAverageValue, averageUtilization: given.currentAverageUtilization });
  return defined<v2.MetricStatus>({
    type,
    object: object && {
      metric: metric(object.metricName, object.selector),
      current: measured(object.currentValue, object.averageValue),
      describedObject: object.target,
    },
    pods: pods && { metric: metric(pods.metricName, pods.selector), current: defined({ averageValue: pods.currentAverageValue }) },
    resource: resource && { name: resource.name, current: usage(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      current: usage(containerResource),
      container: containerResource.container,
    },
    external: external && {
      metric: metric(external.metricName, external.metricSelector),
      current: measured(external.currentValue, external.currentAverageValue),
    },
  });
}
