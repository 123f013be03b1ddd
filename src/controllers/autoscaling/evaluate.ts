/** What each of an autoscaler's metrics calls for, and how its status shows it. */
import {
  formatQuantity,
  type HorizontalPodAutoscaler,
  type HPAScalingRules,
  type MetricSpec,
  type MetricStatus,
  type MetricTarget,
  type MetricValueStatus,
  type Pod,
  quantityFromMilli,
  quantityMilliValue,
} from '../../api/index.ts';
import { messageOf } from '../framework/index.ts';
import type { MetricsClient, PodMetrics } from './metrics.ts';
import { byAverage, byShare, byUtilization, byValue, type Proposal, type Tolerance } from './replicas.ts';

/** --horizontal-pod-autoscaler-tolerance. */
const defaultTolerance = 0.1;

/** A metric that could not be had. */
export class MetricError extends Error {
  override readonly name = 'MetricError';
  /** Of the event and the condition. */
  readonly reason: string;
  /** What failed, before what the metric is. */
  readonly detail: string;

  constructor(reason: string, detail: string, message: string) {
    super(message);
    this.reason = reason;
    this.detail = detail;
  }
}

export interface Situation {
  autoscaler: HorizontalPodAutoscaler;
  specReplicas: number;
  statusReplicas: number;
  /** The target's pods, and the selector that finds them. */
  pods: readonly Pod[];
  selector: string;
  nowMs: number;
}

export interface Evaluation {
  replicas: number;
  /** The metric as messages name it. */
  name: string;
  status: MetricStatus;
}

const milli = (value: number) => formatQuantity(quantityFromMilli(Math.trunc(value)));
const toleranceOf = (rules: HPAScalingRules | undefined) =>
  rules?.tolerance === undefined ? defaultTolerance : quantityMilliValue(rules.tolerance) / 1000;
const amount = (text: string | undefined) => (text === undefined ? undefined : quantityMilliValue(text));

/** @throws MetricError */
export async function evaluateMetric(
  client: MetricsClient,
  { autoscaler, specReplicas, statusReplicas, pods, selector, nowMs }: Situation,
  metric: MetricSpec,
  pluralOf: (apiVersion: string, kind: string) => Promise<string>,
  signal: AbortSignal,
): Promise<Evaluation> {
  const namespace = autoscaler.metadata.namespace ?? '';
  const { scaleUp, scaleDown } = autoscaler.spec.behavior ?? {};
  const tolerance: Tolerance = { up: toleranceOf(scaleUp), down: toleranceOf(scaleDown) };
  const measured = (metrics: PodMetrics, resource: string) => ({
    currentReplicas: specReplicas,
    pods,
    metrics,
    resource,
    tolerance,
    nowMs,
  });
  const attempt = async <R>(reason: string, what: string, detail: string, act: () => Promise<R>): Promise<R> => {
    try {
      return await act();
    } catch (error) {
      if (signal.aborted) throw error;
      const why = detail ? `${detail}: ${messageOf(error)}` : messageOf(error);
      throw new MetricError(reason, why, `failed to get ${what}: ${why}`);
    }
  };
  const ofPods = ({ value }: Proposal): MetricValueStatus => ({ averageValue: milli(value) });

  const ofResource = async (name: string, target: MetricTarget, container: string | undefined) => {
    const average = amount(target.averageValue);
    const where = container === undefined ? `${name} resource` : `${name} container resource`;
    const get = async () => {
      try {
        return await client.resource(name, namespace, selector, container, signal);
      } catch (error) {
        throw new Error(`unable to get metrics for resource ${name}: ${messageOf(error)}`, { cause: error });
      }
    };
    const reason = container === undefined ? 'FailedGetResourceMetric' : 'FailedGetContainerResourceMetric';
    const title = container === undefined ? `${name} resource metric value` : `${name} container metric value`;
    const detail = average === undefined ? `failed to get ${name} utilization` : `failed to get ${name} usage`;
    return attempt(reason, title, detail, async () => {
      const metrics = await get();
      if (average !== undefined) {
        const proposal = byAverage(measured(metrics, name), average);
        return { proposal, name: where, current: ofPods(proposal) };
      }
      if (target.averageUtilization === undefined)
        throw new Error(
          'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
        );
      const proposal = byUtilization(measured(metrics, name), target.averageUtilization, container);
      const current = { averageUtilization: proposal.utilization ?? 0, ...ofPods(proposal) };
      return { proposal, name: `${where} utilization (percentage of request)`, current };
    });
  };
  const ofWhole = (target: MetricTarget, usage: number): { proposal: Proposal; current: MetricValueStatus } => {
    const [value, average] = [amount(target.value), amount(target.averageValue)];
    if (average !== undefined) {
      const proposal = byShare(statusReplicas, usage, average, tolerance);
      return { proposal, current: { averageValue: milli(proposal.value) } };
    }
    if (value === undefined) throw new Error('neither a value target nor an average value target was set');
    return { proposal: byValue(specReplicas, pods, usage, value, tolerance), current: { value: milli(usage) } };
  };

  const { type } = metric;
  if (type === 'Resource' && metric.resource) {
    const { name, target } = metric.resource;
    const found = await ofResource(name, target, undefined);
    return { replicas: found.proposal.replicas, name: found.name, status: { type, resource: { name, current: found.current } } };
  }
  if (type === 'ContainerResource' && metric.containerResource) {
    const { name, target, container } = metric.containerResource;
    const found = await ofResource(name, target, container);
    const containerResource = { name, container, current: found.current };
    return { replicas: found.proposal.replicas, name: found.name, status: { type, containerResource } };
  }
  if (type === 'Pods' && metric.pods) {
    const { metric: what, target } = metric.pods;
    const proposal = await attempt('FailedGetPodsMetric', 'pods metric value', `unable to get metric ${what.name}`, async () =>
      byAverage(measured(await client.pods(what, namespace, selector, signal), ''), amount(target.averageValue) ?? 0),
    );
    return {
      replicas: proposal.replicas,
      name: `pods metric ${what.name}`,
      status: { type, pods: { metric: what, current: ofPods(proposal) } },
    };
  }
  if (type === 'Object' && metric.object) {
    const { metric: what, target, describedObject } = metric.object;
    const where = `${describedObject.kind} on ${namespace} ${describedObject.name}`;
    const { proposal, current } = await attempt(
      'FailedGetObjectMetric',
      'object metric value',
      `unable to get metric ${what.name}: ${where}`,
      async () => {
        const plural = await pluralOf(describedObject.apiVersion ?? 'v1', describedObject.kind);
        return ofWhole(target, await client.object(what, namespace, describedObject, plural, signal));
      },
    );
    return {
      replicas: proposal.replicas,
      name: `${describedObject.kind} metric ${what.name}`,
      status: { type, object: { metric: what, current, describedObject } },
    };
  }
  if (type === 'External' && metric.external) {
    const { metric: what, target } = metric.external;
    const where = `unable to get external metric ${namespace}/${what.name}/${JSON.stringify(what.selector ?? null)}`;
    const { proposal, current } = await attempt('FailedGetExternalMetric', `${what.name} external metric value`, where, async () => {
      const usage = (await client.external(what, namespace, signal)).reduce((sum, v) => sum + v, 0);
      return ofWhole(target, usage);
    });
    return {
      replicas: proposal.replicas,
      name: `external metric ${what.name}(${JSON.stringify(what.selector ?? null)})`,
      status: { type, external: { metric: what, current } },
    };
  }
  const unknown = `unknown metric source type ${JSON.stringify(type)}`;
  throw new MetricError('InvalidMetricSourceType', unknown, unknown);
}
