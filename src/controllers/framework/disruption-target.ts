import { hasReason, isPodTerminal, type Pod, Pod as PodResource } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';

/** Why a pod is ended that would have gone on (KEP-3329). */
export interface DisruptionTarget {
  reason: string;
  message: string;
}

/** Notes in the pod's status that it is ended by force: the condition DisruptionTarget, and the phase Failed if `failed`. No change where it is noted already. */
export async function markDisrupted(
  client: Client,
  clock: Clock,
  pod: Pod,
  target: DisruptionTarget | undefined,
  options: { failed: boolean; signal: AbortSignal },
): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const failed = options.failed && !isPodTerminal(pod);
  const present = pod.status?.conditions?.find((c) => c.type === 'DisruptionTarget');
  const note = target && !(present?.status === 'True' && present.reason === target.reason);
  if (!failed && !note) return;
  const condition = { type: 'DisruptionTarget', status: 'True', lastTransitionTime: timestamp(clock), ...target };
  const status = { ...(failed ? { phase: 'Failed' } : {}), ...(note ? { conditions: [condition] } : {}) };
  await client
    .patch(PodResource, name, 'strategic', { metadata: { uid }, status }, { namespace, subresource: 'status', signal: options.signal })
    .catch(unlessGone);
}

/** Deletes this very pod; it may be gone already. */
export async function deletePod(client: Client, pod: Pod, options: { gracePeriodSeconds?: number; signal: AbortSignal }): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  await client.delete(PodResource, name, { namespace, preconditions: { uid }, ...options }).catch(unlessGone);
}

/** Gone, or another of its name: what was wanted. */
function unlessGone(error: unknown): void {
  if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
}
