/** What happens in a cluster that can make a pod schedulable, and how plugins say which of it matters to them (KEP-4247). */
import type { KubeObject, Pod } from '../../api/index.ts';

export type EventResource =
  | 'AssignedPod'
  | 'UnscheduledPod'
  /** The pod itself that could not be scheduled. */
  | 'TargetPod'
  | 'Node'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIStorageCapacity'
  | 'CSIDriver'
  | 'VolumeAttachment'
  | 'ResourceClaim'
  | 'DeviceClass'
  | 'Wildcard';

export type EventAction =
  | 'Add'
  | 'Delete'
  | 'Update'
  | 'UpdateNodeAllocatable'
  | 'UpdateNodeLabel'
  | 'UpdateNodeTaint'
  | 'UpdateNodeCondition'
  | 'UpdateNodeAnnotation'
  | 'UpdateNodeDeclaredFeature'
  | 'UpdatePodLabel'
  | 'UpdatePodScaleDown'
  | 'UpdatePodSchedulingGatesEliminated'
  | 'UpdatePodToleration'
  | 'UpdatePodGeneratedResourceClaim';

export interface ClusterEvent {
  readonly resource: EventResource;
  readonly action: EventAction;
  /** For metrics: `AssignedPodDelete`, `NodeTaintChange`. */
  readonly label: string;
}

/** Whether an event is worth trying the pod again. */
export type QueueingHint = (pod: Pod, previous: KubeObject | undefined, current: KubeObject | undefined) => boolean;

export interface EventRegistration {
  readonly resource: EventResource;
  readonly actions: readonly EventAction[];
  /** Without a hint every such event is worth a try. */
  readonly hint?: QueueingHint;
}

export function clusterEvent(resource: EventResource, action: EventAction, label: string = resource + action): ClusterEvent {
  return { resource, action, label };
}

/** `Update` in a registration takes in every kind of update. */
export function registrationCovers(registration: EventRegistration, event: ClusterEvent): boolean {
  if (event.resource === 'Wildcard' || registration.resource === 'Wildcard') return true;
  if (registration.resource !== event.resource) return false;
  return registration.actions.some((a) => a === event.action || (a === 'Update' && event.action.startsWith('Update')));
}

/** Everything that happens. */
export const anyEvent: EventRegistration = { resource: 'Wildcard', actions: [] };
