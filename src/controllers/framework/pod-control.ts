import type { Draft, KubeObject, Pod } from '../../api/index.ts';
import { hasReason, Pod as PodResource, StatusError } from '../../api/index.ts';
import { type Client, type EventRecorder, keyOf } from '../../client/index.ts';
import type { Expectations } from './expectations.ts';

/** Creates and deletes pods for an owner, with upstream's events, keeping account of what the informer has yet to show. */
export interface PodControl {
  create(owner: KubeObject, pod: Draft<Pod>, signal: AbortSignal): Promise<Pod>;
  delete(owner: KubeObject, pod: Pod, signal: AbortSignal): Promise<void>;
}

export function createPodControl(options: {
  client: Client;
  recorder: EventRecorder;
  expectations?: Expectations;
  /** Whether the informer shows the pod already, so that nothing is to be expected. */
  known?: (pod: Pod) => boolean;
}): PodControl {
  const { client, recorder, expectations, known } = options;
  return {
    async create(owner, draft, signal) {
      const { namespace } = owner.metadata;
      try {
        const pod = await client.create(PodResource, draft, { namespace, signal });
        if (!known?.(pod)) expectations?.expect(keyOf(owner), 'created', pod.metadata.uid);
        recorder.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
        return pod;
      } catch (error) {
        if (!signal.aborted && !isNamespaceTerminating(error)) {
          recorder.event(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
        }
        throw error;
      }
    },

    async delete(owner, pod, signal) {
      const { name, namespace, uid } = pod.metadata;
      expectations?.expect(keyOf(owner), 'deleted', uid);
      try {
        await client.delete(PodResource, name, { namespace, signal, preconditions: { uid } });
        recorder.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      } catch (error) {
        expectations?.observe('deleted', uid);
        // Gone already is what was wanted.
        if (hasReason(error, 'NotFound') || hasReason(error, 'Conflict')) return;
        if (!signal.aborted) recorder.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
        throw error;
      }
    },
  };
}

/** A create that fails because its namespace is going away will not succeed later. */
export function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof StatusError && (error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false);
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Calls `act` `count` times, first once, then in batches of twice the size as long as all goes well, so that what is bound to
 * fail (a quota, say) fails once and not a thousand times. Throws the first error after the batch it happened in.
 */
export async function slowStart(count: number, act: (index: number) => Promise<void>): Promise<void> {
  let done = 0;
  for (let batch = Math.min(1, count); batch > 0; batch = Math.min(2 * batch, count - done)) {
    const results = await Promise.allSettled(Array.from({ length: batch }, (_, i) => act(done + i)));
    const failed = results.find((r) => r.status === 'rejected');
    if (failed) throw failed.reason;
    done += batch;
  }
}
