/** How many replicas a metric calls for, by upstream's arithmetic. Pure. Values are in thousandths. */
import { isPodReady, type Pod, quantityMilliValue } from '../../api/index.ts';
import { timeOf } from '../framework/index.ts';
import type { PodMetrics } from './metrics.ts';

/** --horizontal-pod-autoscaler-cpu-initialization-period. */
const initializationMs = 5 * 60_000;
/** --horizontal-pod-autoscaler-initial-readiness-delay. */
const readinessDelayMs = 30_000;

/** How far from its target a metric may be without a change, as a share of the target. */
export interface Tolerance {
  up: number;
  down: number;
}

const within = ({ up, down }: Tolerance, ratio: number) => 1 - down <= ratio && ratio <= 1 + up;

export interface Proposal {
  replicas: number;
  /** What the status shows as the metric's current value, a pod's share of it or the whole. */
  value: number;
  /** Of the requests, in per cent. */
  utilization?: number;
}

interface Groups {
  ready: number;
  unready: Set<string>;
  missing: Set<string>;
  ignored: Set<string>;
}

/** Sorts pods by what their metrics are worth: those that start use more CPU than they will. */
export function groupPods(pods: readonly Pod[], metrics: PodMetrics, resource: string, nowMs: number): Groups {
  const groups: Groups = { ready: 0, unready: new Set(), missing: new Set(), ignored: new Set() };
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp || pod.status?.phase === 'Failed') groups.ignored.add(name);
    else if (pod.status?.phase === 'Pending') groups.unready.add(name);
    else if (!metric) groups.missing.add(name);
    else if (resource === 'cpu' && isStarting(pod, metric.timestampMs - metric.windowMs, nowMs)) groups.unready.add(name);
    else groups.ready++;
  }
  return groups;
}

function isStarting({ status }: Pod, measuredFromMs: number, nowMs: number): boolean {
  const ready = status?.conditions?.find((c) => c.type === 'Ready');
  const startedMs = timeOf(status?.startTime);
  if (!ready || Number.isNaN(startedMs)) return true;
  const changedMs = timeOf(ready.lastTransitionTime);
  if (startedMs + initializationMs > nowMs) return ready.status === 'False' || measuredFromMs < changedMs;
  return ready.status === 'False' && startedMs + readinessDelayMs > changedMs;
}

interface Measured {
  currentReplicas: number;
  pods: readonly Pod[];
  metrics: PodMetrics;
  resource: string;
  tolerance: Tolerance;
  nowMs: number;
}

/** `ratioOf` compares values with the target; `assumed`: what a pod without a metric is taken to use when that would take replicas away. */
function fromPods(
  { currentReplicas, pods, metrics, resource, tolerance, nowMs }: Measured,
  ratioOf: (values: ReadonlyMap<string, number>) => { ratio: number; value: number; utilization?: number },
  assumed: (pod: string) => number,
): Proposal {
  if (pods.length === 0) throw new Error('no pods returned by selector while calculating replica count');
  const { ready, unready, missing, ignored } = groupPods(pods, metrics, resource, nowMs);
  const values = new Map([...metrics].filter(([name]) => !unready.has(name) && !ignored.has(name)).map(([name, m]) => [name, m.value]));
  if (values.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  const { ratio, ...shown } = ratioOf(values);
  const upWithUnready = unready.size > 0 && ratio > 1;
  if (!upWithUnready && missing.size === 0) {
    return { replicas: within(tolerance, ratio) ? currentReplicas : Math.ceil(ratio * ready), ...shown };
  }
  // In doubt against the change: what is not known uses all when the target shrinks, and nothing when it grows.
  if (ratio < 1) for (const name of missing) values.set(name, assumed(name));
  else if (ratio > 1) for (const name of missing) values.set(name, 0);
  if (upWithUnready) for (const name of unready) values.set(name, 0);
  const again = ratioOf(values).ratio;
  const turned = (ratio < 1 && again > 1) || (ratio > 1 && again < 1);
  if (within(tolerance, again) || turned) return { replicas: currentReplicas, ...shown };
  const replicas = Math.ceil(again * values.size);
  const backwards = (again < 1 && replicas > currentReplicas) || (again > 1 && replicas < currentReplicas);
  return { replicas: backwards ? currentReplicas : replicas, ...shown };
}

/** By use as a share (in per cent) of what pods request. */
export function byUtilization(measured: Measured, targetPercent: number, container: string | undefined): Proposal {
  const requests = podRequests(measured.pods, measured.resource, container);
  const ratioOf = (values: ReadonlyMap<string, number>) => {
    let [used, requested, count] = [0, 0, 0];
    for (const [name, value] of values) {
      const request = requests.get(name);
      if (request === undefined) continue;
      used += value;
      requested += request;
      count++;
    }
    if (requested === 0) throw new Error('no metrics returned matched known pods');
    const utilization = Math.trunc((used * 100) / requested);
    return { ratio: utilization / targetPercent, value: Math.trunc(used / count), utilization };
  };
  const fallback = Math.max(100, targetPercent);
  return fromPods(measured, ratioOf, (name) => Math.trunc(((requests.get(name) ?? 0) * fallback) / 100));
}

/** By use in the mean. */
export function byAverage(measured: Measured, target: number): Proposal {
  const ratioOf = (values: ReadonlyMap<string, number>) => {
    const value = Math.trunc([...values.values()].reduce((sum, v) => sum + v, 0) / values.size);
    return { ratio: value / target, value };
  };
  return fromPods(measured, ratioOf, () => target);
}

function podRequests(pods: readonly Pod[], resource: string, container: string | undefined): Map<string, number> {
  const requests = new Map<string, number>();
  for (const { metadata, spec } of pods) {
    const sidecars = (spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
    let sum = 0;
    const whole = container === undefined ? spec.resources?.requests?.[resource] : undefined;
    if (whole !== undefined) sum = quantityMilliValue(whole);
    else {
      for (const c of [...spec.containers, ...sidecars]) {
        if (container !== undefined && c.name !== container) continue;
        const request = c.resources?.requests?.[resource];
        if (request === undefined) throw new Error(`missing request for ${resource} in container ${c.name} of Pod ${metadata.name}`);
        sum += quantityMilliValue(request);
      }
    }
    requests.set(metadata.name, sum);
  }
  return requests;
}

/** By a value of the whole, of an object or from outside: the replicas that are ready, in proportion. */
export function byValue(currentReplicas: number, pods: readonly Pod[], usage: number, target: number, tolerance: Tolerance): Proposal {
  const ratio = usage / target;
  if (currentReplicas === 0) return { replicas: Math.ceil(ratio), value: usage };
  if (within(tolerance, ratio)) return { replicas: currentReplicas, value: usage };
  if (pods.length === 0) throw new Error('unable to calculate ready pods: no pods returned by selector while calculating replica count');
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod)).length;
  return { replicas: Math.ceil(ratio * ready), value: usage };
}

/** By a value of the whole that is shared among the replicas. */
export function byShare(statusReplicas: number, usage: number, target: number, tolerance: Tolerance): Proposal {
  const ratio = usage / (target * statusReplicas);
  const replicas = within(tolerance, ratio) ? statusReplicas : Math.ceil(usage / target);
  return { replicas, value: statusReplicas > 0 ? Math.ceil(usage / statusReplicas) : 0 };
}
