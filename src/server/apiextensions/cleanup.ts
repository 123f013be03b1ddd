/** The end of a CustomResourceDefinition: its objects go first, then its finalizer, and with that itself. */
import { CustomResourceDefinition, cleanupFinalizer, errors, hasReason, type Resource, withCondition } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';
import type { ResourceStorage } from '../storage/storage.ts';

export interface Cleanup {
  client: Client;
  clock: Clock;
  signal: AbortSignal;
}

/** Asks every object to go, and waits until the last has gone: finalizers may hold some. */
async function deleteObjects({ client, signal }: Cleanup, resource: Resource, storage: ResourceStorage): Promise<void> {
  const left = new Set<string>();
  let complete = false;
  for await (const event of storage.watch({ sendInitialEvents: true, bookmarks: true, signal })) {
    if (event.type === 'BOOKMARK') complete ||= event.initialEventsEnd;
    else if (event.type === 'DELETED') left.delete(event.item.key);
    else {
      const { name, namespace, deletionTimestamp } = event.item.object.metadata;
      left.add(event.item.key);
      if (deletionTimestamp === undefined) await remove(client, resource, name, namespace, signal);
    }
    if (complete && left.size === 0) return;
  }
  if (!signal.aborted) throw errors.serviceUnavailable(`the watch of ${resource.plural} ended before the last was deleted`);
}

async function remove(client: Client, resource: Resource, name: string, namespace: string | undefined, signal: AbortSignal): Promise<void> {
  try {
    await client.delete(resource, name, { namespace, signal });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}

/** Does what the finalizer is for. `served`: where its objects are; undefined for a definition that never had any. */
export async function finalizeDefinition(
  context: Cleanup,
  name: string,
  served: { resource: Resource; storage: ResourceStorage } | undefined,
): Promise<void> {
  const { client, clock, signal } = context;
  if (served) await deleteObjects(context, served.resource, served.storage);
  for (;;) {
    try {
      const definition = await client.get(CustomResourceDefinition, name, { signal });
      const conditions = withCondition(
        definition.status?.conditions,
        { type: 'Terminating', status: 'False', reason: 'InstanceDeletionCompleted', message: 'removed all instances' },
        timestamp(clock),
      );
      const done = await client.updateStatus(
        CustomResourceDefinition,
        { ...definition, status: { ...definition.status, conditions } },
        { signal },
      );
      const finalizers = (done.metadata.finalizers ?? []).filter((f) => f !== cleanupFinalizer);
      await client.update(CustomResourceDefinition, { ...done, metadata: { ...done.metadata, finalizers } }, { signal });
      return;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return;
      if (!hasReason(error, 'Conflict')) throw error;
    }
  }
}
