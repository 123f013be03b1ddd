import {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  DeviceClass,
  isPodTerminal,
  type KubeObject,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  type Resource,
  resourceV1,
  StorageClass,
  VolumeAttachment,
} from '../api/index.ts';
import type { InformerHandler, SharedInformerFactory } from '../client/index.ts';
import type { SchedulerCache } from './cache/cache.ts';
import { podInfoOf, podKey } from './cache/pod-info.ts';
import { assignedPodAdded, assignedPodDeleted, nodeAdded, nodeChanges, nodeDeleted, podChanges } from './changes.ts';
import { clusterEvent, type EventResource } from './framework/cluster-event.ts';
import type { Nominator } from './queue/nominator.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

export interface EventTargets {
  cache: SchedulerCache;
  queue: SchedulingQueue;
  nominator: Nominator;
  /** Whether one of this scheduler's profiles is asked for. */
  isOurs(pod: Pod): boolean;
  /** A pod without a node is gone. */
  onDelete(pod: Pod): void;
}

const isAssigned = (pod: Pod) => !!pod.spec.nodeName && !isPodTerminal(pod);

/** Keeps cache and queue true to what the informers tell. The returned function ends it. */
export function addEventHandlers(informers: SharedInformerFactory, targets: EventTargets): () => void {
  const removals = [
    informers.for(Node).addHandler(nodeHandler(targets)),
    informers.for(Pod).addHandler(podHandler(targets)),
    ...storage.map(([resource, name]) => informers.for(resource).addHandler(storageHandler(targets, name))),
  ];
  return () => {
    for (const remove of removals) remove();
  };
}

function nodeHandler({ cache, queue }: EventTargets): InformerHandler<Node> {
  return {
    add(node) {
      cache.addNode(node);
      queue.move(nodeAdded, undefined, node);
    },
    update(node, previous) {
      cache.updateNode(node);
      for (const event of nodeChanges(previous, node)) queue.move(event, previous, node);
    },
    delete(node) {
      cache.removeNode(node.metadata.name);
      queue.move(nodeDeleted, node, undefined);
    },
  };
}

function podHandler({ cache, queue, nominator, isOurs, onDelete }: EventTargets): InformerHandler<Pod> {
  const waits = (pod: Pod) => !pod.spec.nodeName && !isPodTerminal(pod) && isOurs(pod);
  const nominate = (pod: Pod) => {
    const nodeName = pod.status?.nominatedNodeName;
    if (nodeName) nominator.set(podInfoOf(pod), nodeName);
  };

  const assigned = (pod: Pod, previous: Pod | undefined) => {
    cache.setPod(pod);
    if (previous && isAssigned(previous)) {
      for (const event of podChanges('AssignedPod', previous, pod)) queue.move(event, previous, pod);
      return;
    }
    nominator.delete(podKey(pod));
    queue.delete(pod);
    queue.move(assignedPodAdded, undefined, pod);
  };

  const gone = (pod: Pod) => {
    const key = podKey(pod);
    const heldRoom = nominator.nodeOf(key) !== undefined || !!pod.spec.nodeName;
    cache.removePod(key);
    nominator.delete(key);
    queue.delete(pod);
    if (!pod.spec.nodeName) onDelete(pod);
    if (heldRoom) queue.move(assignedPodDeleted, pod, undefined);
  };

  return {
    add(pod) {
      if (isAssigned(pod)) assigned(pod, undefined);
      else if (waits(pod)) {
        nominate(pod);
        queue.add(pod);
      }
    },
    update(pod, previous) {
      if (isAssigned(pod)) assigned(pod, previous);
      else if (isAssigned(previous) || (!waits(pod) && waits(previous))) gone(previous);
      else if (waits(pod) && !cache.isAssumed(pod)) {
        if (previous.status?.nominatedNodeName !== pod.status?.nominatedNodeName) nominate(pod);
        if (waits(previous)) queue.update(pod, previous, podChanges('TargetPod', previous, pod));
        else queue.add(pod);
      }
    },
    delete(pod) {
      if (!isPodTerminal(pod) && (pod.spec.nodeName || isOurs(pod))) gone(pod);
    },
  };
}

const storage: readonly (readonly [Resource<KubeObject>, EventResource])[] = [
  [PersistentVolume, 'PersistentVolume'],
  [PersistentVolumeClaim, 'PersistentVolumeClaim'],
  [StorageClass, 'StorageClass'],
  [CSINode, 'CSINode'],
  [CSIStorageCapacity, 'CSIStorageCapacity'],
  [CSIDriver, 'CSIDriver'],
  [VolumeAttachment, 'VolumeAttachment'],
  [resourceV1.ResourceClaim, 'ResourceClaim'],
  [DeviceClass, 'DeviceClass'],
];

function storageHandler({ queue }: EventTargets, resource: EventResource): InformerHandler<KubeObject> {
  const [added, updated, deleted] = [clusterEvent(resource, 'Add'), clusterEvent(resource, 'Update'), clusterEvent(resource, 'Delete')];
  return {
    add: (object) => queue.move(added, undefined, object),
    update: (object, previous) => queue.move(updated, previous, object),
    delete: (object) => queue.move(deleted, object, undefined),
  };
}
