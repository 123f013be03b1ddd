import type { PodCondition } from '../api/index.ts';
import { Pod } from '../api/index.ts';
import type { Client, EventRecorder } from '../client/index.ts';
import { type Clock, timestamp } from '../time/index.ts';

/** Events are cut to this length (in characters). */
const maxMessageLength = 1024;

export interface Failure {
  reason: 'Unschedulable' | 'SchedulerError';
  message: string;
  /** A node to nominate; empty clears the nomination; absent leaves it. */
  nominatedNodeName?: string | undefined;
}

export function recordFailure(recorder: EventRecorder, pod: Pod, message: string): void {
  const note = message.length > maxMessageLength ? `${message.slice(0, maxMessageLength - 4)} ...` : message;
  recorder.event(pod, 'Warning', 'FailedScheduling', note, { action: 'Scheduling' });
}

/** Says in the pod's status why it has no node. Writes only what is new. */
export async function writeFailure(client: Client, clock: Clock, pod: Pod, failure: Failure, signal: AbortSignal): Promise<void> {
  const { reason, message, nominatedNodeName } = failure;
  const known = pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
  const changed =
    known?.status !== 'False' ||
    known.reason !== reason ||
    known.message !== message ||
    (known.observedGeneration ?? 0) !== (pod.metadata.generation ?? 0);
  const nominationChanged = nominatedNodeName !== undefined && nominatedNodeName !== (pod.status?.nominatedNodeName ?? '');
  if (!changed && !nominationChanged) return;
  const condition: PodCondition = {
    type: 'PodScheduled',
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    status: 'False',
    lastTransitionTime: known?.status === 'False' && known.lastTransitionTime ? known.lastTransitionTime : timestamp(clock),
    reason,
    message,
  };
  const patch = {
    // The uid has the server refuse the patch of a namesake that came since.
    metadata: { uid: pod.metadata.uid },
    status: {
      ...(changed ? { conditions: [condition] } : {}),
      ...(nominationChanged ? { nominatedNodeName: nominatedNodeName || null } : {}),
    },
  };
  await client.patch(Pod, pod.metadata.name, 'strategic', patch, {
    namespace: pod.metadata.namespace,
    subresource: 'status',
    signal,
  });
}
