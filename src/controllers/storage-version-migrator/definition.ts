/** What a migration of custom resources says in their definition: that it goes on, and which versions are stored when it is done. */
import { CustomResourceDefinition, hasReason } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';

type GroupResource = { group?: string; resource: string };
type Condition = NonNullable<NonNullable<CustomResourceDefinition['status']>['conditions']>[number];

const manager = 'migration-runner-controller';
const type = 'StorageMigrating';

async function definitionOf(client: Client, { group = '', resource }: GroupResource, signal: AbortSignal) {
  if (group === '') return undefined;
  try {
    return await client.get(CustomResourceDefinition, `${resource}.${group}`, { signal });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** At the very version that was read, so that nobody has changed meanwhile what is stored. */
function write(client: Client, { metadata, status }: CustomResourceDefinition, condition: Condition, more: object, signal: AbortSignal) {
  const conditions = [...(status?.conditions ?? []).filter((c) => c.type !== type), condition];
  const patch = { metadata: { resourceVersion: metadata.resourceVersion }, status: { conditions, ...more } };
  return client.patch(CustomResourceDefinition, metadata.name, 'merge', patch, { subresource: 'status', fieldManager: manager, signal });
}

export async function markDefinition(
  client: Client,
  at: GroupResource,
  migration: string,
  now: string,
  signal: AbortSignal,
): Promise<void> {
  const definition = await definitionOf(client, at, signal);
  if (!definition) return;
  const message = `Migration ${migration} is running`;
  const observedGeneration = definition.metadata.generation ?? 0;
  const running = { type, status: 'True', lastTransitionTime: now, reason: 'MigrationRunning', message, observedGeneration };
  await write(client, definition, running, {}, signal);
}

/** Versions that were stored before are so no more if the definition is the one that the migration has begun with. */
export async function finishDefinition(
  client: Client,
  at: GroupResource,
  succeeded: boolean,
  now: string,
  signal: AbortSignal,
): Promise<void> {
  const definition = await definitionOf(client, at, signal);
  if (!definition) return;
  const observedGeneration = definition.metadata.generation ?? 0;
  const running = definition.status?.conditions?.find((c) => c.type === type);
  const isSame = running?.observedGeneration === observedGeneration;
  const outcome = isSame
    ? 'and the stored versions have been updated'
    : 'but the stored versions have not been updated due to a generation mismatch';
  const ended = {
    type,
    status: 'False',
    lastTransitionTime: now,
    reason: succeeded ? 'MigrationSucceeded' : 'MigrationFailed',
    message: succeeded ? `The migration has succeeded ${outcome}` : 'The migration has failed',
    observedGeneration,
  };
  const stored = definition.spec.versions.filter((version) => version.storage).map((version) => version.name);
  await write(client, definition, ended, succeeded && isSame ? { storedVersions: stored } : {}, signal);
}
