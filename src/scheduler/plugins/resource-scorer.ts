import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { ResourceSpec, ScoringStrategy, UtilizationShapePoint } from '../framework/config.ts';
import { maxNodeScore } from '../framework/plugin.ts';

export const defaultScoredResources: readonly ResourceSpec[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];

type Curve = (requested: number, capacity: number) => number;

const leastAllocated: Curve = (requested, capacity) =>
  requested > capacity ? 0 : Math.trunc(((capacity - requested) * maxNodeScore) / capacity);

const mostAllocated: Curve = (requested, capacity) => Math.trunc((Math.min(requested, capacity) * maxNodeScore) / capacity);

/** What a node would have requested of a resource with the pod on it, small amounts standing in for absent requests. */
export function requestedWith(pod: PodInfo, node: NodeInfo, resource: string): number {
  if (resource === 'cpu') return node.assumedMilliCpu + pod.assumedMilliCpu;
  if (resource === 'memory') return node.assumedMemory + pod.assumedMemory;
  return node.requested.get(resource) + pod.requests.get(resource);
}

const isExtended = (resource: string) => resource.includes('/');

/** The score (0..100) of a node under a scoring strategy: the weighted mean over the resources that the node has and the pod cares for. */
export function resourceScorer(strategy: ScoringStrategy | undefined): (pod: PodInfo, node: NodeInfo) => number {
  const resources = (strategy?.resources?.length ? strategy.resources : defaultScoredResources).map((r) => ({
    ...r,
    weight: r.weight || 1,
  }));
  const ratio = strategy?.type === 'RequestedToCapacityRatio';
  const curve = ratio
    ? shaped(strategy?.requestedToCapacityRatio?.shape ?? [])
    : strategy?.type === 'MostAllocated'
      ? mostAllocated
      : leastAllocated;
  return (pod, node) => {
    let sum = 0;
    let weights = 0;
    for (const { name, weight } of resources) {
      if (isExtended(name) && pod.requests.get(name) === 0) continue;
      const capacity = node.allocatable.get(name);
      if (capacity === 0) continue;
      const score = curve(requestedWith(pod, node, name), capacity);
      if (ratio && score <= 0) continue;
      sum += score * weight;
      weights += weight;
    }
    if (weights === 0) return 0;
    return ratio ? Math.round(sum / weights) : Math.trunc(sum / weights);
  };
}

/** A line through the points of a shape, whose scores run from 0 to 10. */
function shaped(shape: readonly UtilizationShapePoint[]): Curve {
  const points = shape.map((p) => ({ at: p.utilization, score: p.score * (maxNodeScore / 10) }));
  const last = points.at(-1)?.score ?? 0;
  return (requested, capacity) => {
    const utilization = requested > capacity ? 100 : Math.trunc((requested * 100) / capacity);
    for (const [i, point] of points.entries()) {
      if (utilization > point.at) continue;
      const before = points[i - 1];
      if (!before) return point.score;
      return before.score + Math.trunc(((point.score - before.score) * (utilization - before.at)) / (point.at - before.at));
    }
    return last;
  };
}
