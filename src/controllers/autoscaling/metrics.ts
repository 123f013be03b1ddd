/** What the autoscaler asks the metrics APIs: of resources, custom and external ones. Values are in thousandths. */
import {
  formatLabelSelector,
  type LabelSelector,
  type MetricIdentifier,
  parseApiVersion,
  parseGoDuration,
  quantityMilliValue,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { messageOf, timeOf } from '../framework/index.ts';

export interface PodMetric {
  value: number;
  timestampMs: number;
  /** The time over which it was measured. */
  windowMs: number;
}

/** By pod name. */
export type PodMetrics = Map<string, PodMetric>;

interface PodMetricsList {
  items: {
    metadata: { name: string };
    timestamp: string;
    window: string;
    containers: { name: string; usage: Record<string, string> }[];
  }[];
}

interface MetricValueList {
  items: { describedObject: { name: string }; value: string; timestamp: string; windowSeconds?: number }[];
}

export interface MetricsClient {
  resource(name: string, namespace: string, selector: string, container: string | undefined, signal: AbortSignal): Promise<PodMetrics>;
  pods(metric: MetricIdentifier, namespace: string, selector: string, signal: AbortSignal): Promise<PodMetrics>;
  object(
    metric: MetricIdentifier,
    namespace: string,
    object: { apiVersion?: string; kind: string; name: string },
    plural: string,
    signal: AbortSignal,
  ): Promise<number>;
  external(metric: MetricIdentifier, namespace: string, signal: AbortSignal): Promise<number[]>;
}

const query = (parameters: Record<string, string>) => {
  const set = Object.entries(parameters).filter(([, value]) => value !== '');
  return set.length > 0 ? `?${new URLSearchParams(set)}` : '';
};
const selectorText = (selector: LabelSelector | undefined) => (selector ? formatLabelSelector(selector) : '');
const windowOf = (text: string) => Number(parseGoDuration(text) ?? 60_000_000_000n) / 1e6;

export function createMetricsClient(client: Client): MetricsClient {
  /** `missing`: what is said where nobody serves the API. */
  const ask = async (path: string, api: string, missing: string, signal: AbortSignal): Promise<unknown> => {
    try {
      return await client.raw('GET', path, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      const unserved = messageOf(error) === 'the server could not find the requested resource';
      throw new Error(`unable to fetch metrics from ${api} metrics API: ${unserved ? missing : messageOf(error)}`, { cause: error });
    }
  };
  const notFound = (resource: string) => `the server could not find the requested resource (get ${resource})`;
  const noCustom = 'no custom metrics API (custom.metrics.k8s.io) registered';
  const custom = '/apis/custom.metrics.k8s.io/v1beta2';
  return {
    async resource(name, namespace, labelSelector, container, signal) {
      const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods${query({ labelSelector })}`;
      // The API's own list of pods with what their containers use.
      const { items } = (await ask(path, 'resource', notFound('pods.metrics.k8s.io'), signal)) as PodMetricsList;
      if (items.length === 0) throw new Error('no metrics returned from resource metrics API');
      const metrics: PodMetrics = new Map();
      for (const { metadata, timestamp, window, containers } of items) {
        const counted = container === undefined ? containers : containers.filter((c) => c.name === container);
        if (container !== undefined && counted.length === 0)
          throw new Error(`container ${container} not present in metrics for pod ${namespace}/${metadata.name}`);
        // What one container lacks, the pod's sum lacks.
        if (counted.some(({ usage }) => usage[name] === undefined)) continue;
        const value = counted.reduce((sum, { usage }) => sum + quantityMilliValue(usage[name] ?? '0'), 0);
        metrics.set(metadata.name, { value, timestampMs: timeOf(timestamp), windowMs: windowOf(window) });
      }
      return metrics;
    },
    async pods({ name, selector }, namespace, labelSelector, signal) {
      const path = `${custom}/namespaces/${namespace}/pods/*/${name}${query({ labelSelector, metricLabelSelector: selectorText(selector) })}`;
      const { items } = (await ask(path, 'custom', noCustom, signal)) as MetricValueList;
      if (items.length === 0) throw new Error('no metrics returned from custom metrics API');
      return new Map(
        items.map(({ describedObject, value, timestamp, windowSeconds = 60 }) => [
          describedObject.name,
          { value: quantityMilliValue(value), timestampMs: timeOf(timestamp), windowMs: windowSeconds * 1000 },
        ]),
      );
    },
    async object({ name, selector }, namespace, object, plural, signal) {
      const { group } = parseApiVersion(object.apiVersion ?? 'v1');
      const resource = group ? `${plural}.${group}` : plural;
      const where =
        object.kind === 'Namespace' ? `namespaces/${object.name}/metrics` : `namespaces/${namespace}/${resource}/${object.name}`;
      const path = `${custom}/${where}/${name}${query({ metricLabelSelector: selectorText(selector) })}`;
      const { items } = (await ask(path, 'custom', noCustom, signal)) as MetricValueList;
      const [first] = items;
      if (!first) throw new Error('no metrics returned from custom metrics API');
      return quantityMilliValue(first.value);
    },
    async external({ name, selector }, namespace, signal) {
      const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/${name}${query({ labelSelector: selectorText(selector) })}`;
      const { items } = (await ask(path, 'external', notFound(`${name}.external.metrics.k8s.io`), signal)) as {
        items: { value: string }[];
      };
      if (items.length === 0) throw new Error('no metrics returned from external metrics API');
      return items.map(({ value }) => quantityMilliValue(value));
    },
  };
}
