/**
 * Brings pods' statuses to the API: the newest one, in order, one request in flight a pod, tried until it is there. When a pod
 * that the API wants gone has been torn down, deletes its object.
 */
import type { Logger } from 'pino';
import { hasReason, Pod, type PodStatus } from '../../api/index.ts';
import { type Client, createBackoff } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { podKey, uidOf } from '../pod/identity.ts';
import { statusPatch } from './status-patch.ts';

export interface StatusManager {
  /** The newest status made, whether or not the API has it. */
  get(uid: string): PodStatus | undefined;
  set(pod: Pod, status: PodStatus): void;
  /** Nothing of the pod is left on this node: deletes its object once its last status is written. */
  finish(pod: Pod): void;
  /** The API's object has changed or appeared: says again what differs. */
  apiChanged(uid: string): void;
  forget(uid: string): void;
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>;
}

interface Options {
  client: Client;
  clock: Clock;
  random: Random;
  logger: Logger;
  signal: AbortSignal;
  /** The pod in the API that shows this pod: itself, or a static pod's mirror; undefined where there is none. */
  apiPod(pod: Pod): Pod | undefined;
}

interface Entry {
  pod: Pod;
  status: PodStatus | undefined;
  finished: boolean;
  dirty: boolean;
  running: Promise<void> | undefined;
  /** The newest object that a write answered: the cache may lag behind it. */
  written: Pod | undefined;
}

const newer = (a: Pod | undefined, b: Pod | undefined): Pod | undefined =>
  !a || !b || uidOf(a) !== uidOf(b) ? (b ?? a) : Number(a.metadata.resourceVersion) >= Number(b.metadata.resourceVersion) ? a : b;

export function statusManager({ client, clock, random, logger, signal, apiPod }: Options): StatusManager {
  const entries = new Map<string, Entry>();

  function entryOf(pod: Pod): Entry {
    let entry = entries.get(uidOf(pod));
    if (!entry) {
      entry = { pod, status: undefined, finished: false, dirty: false, running: undefined, written: undefined };
      entries.set(uidOf(pod), entry);
    }
    entry.pod = pod;
    return entry;
  }

  function wake(entry: Entry): void {
    entry.dirty = true;
    entry.running ??= work(entry).finally(() => {
      entry.running = undefined;
    });
  }

  async function work(entry: Entry): Promise<void> {
    const backoff = createBackoff(clock, random, { initialMs: 200, maxMs: 10_000 });
    while (entry.dirty && !signal.aborted) {
      entry.dirty = false;
      try {
        await write(entry);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error, pod: podKey(entry.pod) }, 'Failed to update status for pod');
        entry.dirty = true;
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  async function write(entry: Entry): Promise<void> {
    const { pod, status } = entry;
    const target = newer(entry.written, apiPod(pod));
    if (!target) return;
    const namespace = target.metadata.namespace;
    const name = target.metadata.name ?? '';
    try {
      const patch = status && statusPatch(target.status, status);
      if (patch) {
        entry.written = await client.patch(
          Pod,
          name,
          'strategic',
          { metadata: { uid: target.metadata.uid }, status: patch },
          { namespace, subresource: 'status', signal },
        );
      }
      if (entry.finished && target.metadata.deletionTimestamp && !entry.dirty) {
        await client.delete(Pod, name, {
          namespace,
          signal,
          gracePeriodSeconds: 0,
          ...(target.metadata.uid ? { preconditions: { uid: target.metadata.uid } } : {}),
        });
      }
    } catch (error) {
      // Gone, or another pod has its name now: there is nothing left to tell.
      if (hasReason(error, 'NotFound') || hasReason(error, 'Conflict')) return;
      throw error;
    }
  }

  return {
    get: (uid) => entries.get(uid)?.status,
    set(pod, status) {
      const entry = entryOf(pod);
      entry.status = status;
      wake(entry);
    },
    finish(pod) {
      const entry = entryOf(pod);
      entry.finished = true;
      wake(entry);
    },
    apiChanged(uid) {
      const entry = entries.get(uid);
      if (entry && (entry.status || entry.finished)) wake(entry);
    },
    forget: (uid) => void entries.delete(uid),
    async idle() {
      await Promise.all([...entries.values()].map((e) => e.running));
    },
  };
}
