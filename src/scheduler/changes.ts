/** What has changed from one version of an object to the next, as far as it can make a waiting pod schedulable. */
import { type Node, type Pod, semanticEqual } from '../api/index.ts';

import { podRequests } from './cache/resources.ts';
import { type ClusterEvent, clusterEvent, type EventResource } from './framework/cluster-event.ts';

export const nodeAdded = clusterEvent('Node', 'Add');
export const nodeDeleted = clusterEvent('Node', 'Delete');
export const assignedPodAdded = clusterEvent('AssignedPod', 'Add');
export const assignedPodDeleted = clusterEvent('AssignedPod', 'Delete');

const allocatable = clusterEvent('Node', 'UpdateNodeAllocatable', 'NodeAllocatableChange');
const labels = clusterEvent('Node', 'UpdateNodeLabel', 'NodeLabelChange');
const taints = clusterEvent('Node', 'UpdateNodeTaint', 'NodeTaintChange');
const conditions = clusterEvent('Node', 'UpdateNodeCondition', 'NodeConditionChange');
const annotations = clusterEvent('Node', 'UpdateNodeAnnotation', 'NodeAnnotationChange');
const declaredFeatures = clusterEvent('Node', 'UpdateNodeDeclaredFeature', 'NodeDeclaredFeatureChange');

export function nodeChanges(previous: Node, current: Node): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  if (!semanticEqual(previous.status?.allocatable, current.status?.allocatable)) events.push(allocatable);
  if (!semanticEqual(previous.metadata.labels, current.metadata.labels)) events.push(labels);
  const cordonChanged = (previous.spec.unschedulable ?? false) !== (current.spec.unschedulable ?? false);
  if (cordonChanged || !semanticEqual(previous.spec.taints, current.spec.taints)) events.push(taints);
  if (!semanticEqual(conditionStates(previous), conditionStates(current))) events.push(conditions);
  if (!semanticEqual(previous.metadata.annotations, current.metadata.annotations)) events.push(annotations);
  if (!semanticEqual(previous.status?.declaredFeatures, current.status?.declaredFeatures)) events.push(declaredFeatures);
  return events;
}

/** Without the heartbeat times, which change all the time. */
const conditionStates = (node: Node) => Object.fromEntries((node.status?.conditions ?? []).map((c) => [c.type, c.status]));

export function podChanges(resource: Extract<EventResource, 'AssignedPod' | 'TargetPod'>, previous: Pod, current: Pod): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  if (!semanticEqual(previous.metadata.labels, current.metadata.labels))
    events.push(clusterEvent(resource, 'UpdatePodLabel', 'PodLabelChange'));
  if (previous.spec.schedulingGates?.length && !current.spec.schedulingGates?.length)
    events.push(clusterEvent(resource, 'UpdatePodSchedulingGatesEliminated', 'PodSchedulingGatesEliminated'));
  if (!semanticEqual(previous.spec.tolerations, current.spec.tolerations))
    events.push(clusterEvent(resource, 'UpdatePodToleration', 'PodTolerationChange'));
  if (!semanticEqual(previous.status?.resourceClaimStatuses, current.status?.resourceClaimStatuses))
    events.push(clusterEvent(resource, 'UpdatePodGeneratedResourceClaim', 'PodGeneratedResourceClaimChange'));
  if (requestsLess(previous, current)) events.push(clusterEvent(resource, 'UpdatePodScaleDown', 'PodRequestScaledDown'));
  return events;
}

function requestsLess(previous: Pod, current: Pod): boolean {
  if (previous.spec.containers === current.spec.containers && previous.status === current.status) return false;
  const before = podRequests(previous);
  const now = podRequests(current);
  if (now.milliCpu < before.milliCpu || now.memory < before.memory || now.ephemeralStorage < before.ephemeralStorage) return true;
  for (const [name, amount] of before.scalars ?? []) if (now.get(name) < amount) return true;
  return false;
}
