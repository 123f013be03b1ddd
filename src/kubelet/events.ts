/** Events about pods and the node, as `kubectl describe` shows them. */
import type { ObjectReference, Pod } from '../api/index.ts';
import type { EventRecorder } from '../client/index.ts';
import { containerFieldPath } from './pod/containers.ts';
import { isStaticPod } from './pod/identity.ts';

export interface PodEvents {
  /** `container` names the container that the event is about, where it is about one. */
  pod(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
  node(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** `apiUid` answers the mirror pod's uid for a static pod: events are about what the API knows. */
export function podEvents(recorder: EventRecorder, nodeName: string, apiUid: (pod: Pod) => string | undefined): PodEvents {
  return {
    pod(pod, type, reason, message, container) {
      const { namespace, name, resourceVersion } = pod.metadata;
      const fieldPath = container ? containerFieldPath(pod, container) : undefined;
      const uid = isStaticPod(pod) ? (apiUid(pod) ?? pod.metadata.uid) : pod.metadata.uid;
      const about: ObjectReference = {
        kind: 'Pod',
        apiVersion: 'v1',
        ...(namespace ? { namespace } : {}),
        ...(name ? { name } : {}),
        ...(uid ? { uid } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
        ...(fieldPath ? { fieldPath } : {}),
      };
      recorder.event(about, type, reason, message);
    },
    node(type, reason, message) {
      recorder.event({ kind: 'Node', name: nodeName, uid: nodeName }, type, reason, message);
    },
  };
}
