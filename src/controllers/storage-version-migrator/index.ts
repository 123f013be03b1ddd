/**
 * Writes all objects of a resource anew, so that they are stored in the present version and by the present encryption key, when a
 * StorageVersionMigration asks for it (KEP-4192). Of several for one resource the oldest comes first; one goes on at a time.
 */
import { hasReason, StatusError, storagemigrationV1beta1 } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import { conditionOf, type DiscoveredResource, defineController, discover, messageOf } from '../framework/index.ts';
import { finishDefinition, markDefinition } from './definition.ts';

const { StorageVersionMigration } = storagemigrationV1beta1;
type StorageVersionMigration = storagemigrationV1beta1.StorageVersionMigration;

const name = 'storage-version-migrator-controller';
const neededVerbs = ['update', 'patch', 'list'];
const pageSize = 500;
/** Discovery may not know yet of a definition that is new. */
const graceMs = 60_000;

type Condition = 'Running' | 'Succeeded' | 'Failed';
const is = ({ status }: StorageVersionMigration, type: Condition) => conditionOf(status?.conditions, type)?.status === 'True';
const isOver = (svm: StorageVersionMigration) => is(svm, 'Succeeded') || is(svm, 'Failed');

const keyOf = ({ spec: { resource } }: StorageVersionMigration) => `${resource.resource}.${resource.group ?? ''}`;

/** The migration of a resource that is at work, or has waited longest. */
export function activeOf(all: readonly StorageVersionMigration[]): StorageVersionMigration | undefined {
  const order = ({ metadata }: StorageVersionMigration) => `${metadata.creationTimestamp} ${metadata.name}`;
  const open = all.filter((svm) => !isOver(svm)).sort((a, b) => (order(a) < order(b) ? -1 : 1));
  return open.find((svm) => is(svm, 'Running')) ?? open[0];
}

/** A migration that can't be done: to be told in its status, not to be tried again. */
class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

/** Whether a write that was refused may be taken another time. */
const isPassing = (error: unknown): boolean =>
  !(error instanceof StatusError) ||
  ['ServerTimeout', 'TooManyRequests', 'ServiceUnavailable', 'InternalError', 'Timeout'].includes(error.reason);

/** Writes anew what was written last before or at a revision; what has changed since then has been written anew by that. */
async function rewrite(client: Client, resource: DiscoveredResource, resourceVersion: string, signal: AbortSignal): Promise<void> {
  const { group, version, kind } = resource;
  const apiVersion = group ? `${group}/${version}` : version;
  let next: string | undefined;
  do {
    const page = await client.list(resource, { limit: pageSize, signal, ...(next ? { continue: next } : {}) });
    for (const { metadata } of page.items) {
      if (BigInt(metadata.resourceVersion) > BigInt(resourceVersion)) continue;
      const { uid, resourceVersion: seen, namespace } = metadata;
      // With its identity, so that nothing is made that is gone by now.
      const configuration = { apiVersion, kind, metadata: { uid, resourceVersion: seen } };
      try {
        await client.patch(resource, metadata.name, 'apply', configuration, { namespace, fieldManager: name, signal });
      } catch (error) {
        // Changed, which is a write too, or gone.
        if (hasReason(error, 'Conflict')) continue;
        if (signal.aborted || isPassing(error)) throw error;
        throw new MigrationError(`migration encountered unhandled error: ${messageOf(error)}`);
      }
    }
    next = page.metadata.continue;
  } while (next);
}

export const storageVersionMigratorController = {
  ...defineController(name, ({ client, clock, informers }, queue) => {
    const migrations = informers.for(StorageVersionMigration);
    const enqueue = (svm: StorageVersionMigration) => queue.add(keyOf(svm));
    /** Migrations that have ended, whatever the informer knows of it yet. */
    const ended = new Set<string>();
    migrations.addHandler({
      add: enqueue,
      update: enqueue,
      delete(svm) {
        ended.delete(svm.metadata.uid);
        enqueue(svm);
      },
    });

    const withStatus = (svm: StorageVersionMigration, type: Condition, reason: string, message: string): StorageVersionMigration => {
      const now = timestamp(clock);
      const kept = (svm.status?.conditions ?? []).filter((c) => c.type !== type);
      const ended = kept.map((c) =>
        type !== 'Running' && c.type === 'Running' && c.status === 'True'
          ? { ...c, status: 'False', lastTransitionTime: now, reason: 'MigrationCompleted', message: 'Migration completed' }
          : c,
      );
      const conditions = [...ended, { type, status: 'True', lastTransitionTime: now, reason, message }];
      return { ...svm, status: { ...svm.status, conditions } };
    };
    const write = (svm: StorageVersionMigration, signal: AbortSignal) => client.updateStatus(StorageVersionMigration, svm, { signal });

    /** The resource in its preferred version; undefined while it may yet be discovered. */
    async function resourceOf({ spec, metadata }: StorageVersionMigration, signal: AbortSignal): Promise<DiscoveredResource | undefined> {
      const { group = '', resource } = spec.resource;
      const { resources } = await discover(client, signal);
      const found = resources.find((r) => r.group === group && r.plural === resource);
      if (!found) {
        if (clock.now() < Date.parse(metadata.creationTimestamp) + graceMs) return undefined;
        throw new MigrationError('resource does not exist in discovery');
      }
      if (neededVerbs.every((verb) => found.verbs.includes(verb))) return found;
      const shown = `${group}/${found.version}, Resource=${resource}`;
      throw new MigrationError(`resource ${JSON.stringify(shown)} does not support discovery operations: [${neededVerbs.join(' ')}]`);
    }

    /** Answers whether the migration has ended. */
    async function migrate(begun: StorageVersionMigration, signal: AbortSignal): Promise<boolean> {
      let svm = begun;
      const { resource: at } = svm.spec;
      try {
        if (!is(svm, 'Running')) {
          await markDefinition(client, at, svm.metadata.name, timestamp(clock), signal);
          svm = await write(withStatus(svm, 'Running', 'MigrationRunning', 'The migration is running'), signal);
        }
        const resource = await resourceOf(svm, signal);
        if (!resource) return false;
        let resourceVersion = svm.status?.resourceVersion;
        if (!resourceVersion) {
          const { metadata } = await client.list(resource, { limit: 1, signal });
          resourceVersion = metadata.resourceVersion;
          if (!resourceVersion) throw new MigrationError(`latest resourceVersion for ${resource.plural} is empty`);
          svm = await write({ ...svm, status: { ...svm.status, resourceVersion } }, signal);
        }
        await rewrite(client, resource, resourceVersion, signal);
      } catch (error) {
        if (!(error instanceof MigrationError)) throw error;
        await finishDefinition(client, at, false, timestamp(clock), signal);
        await write(withStatus(svm, 'Failed', 'StorageVersionMigrationFailed', error.message), signal);
        return true;
      }
      await finishDefinition(client, at, true, timestamp(clock), signal);
      await write(withStatus(svm, 'Succeeded', 'StorageVersionMigrationSucceeded', ''), signal);
      return true;
    }

    return {
      informers: [migrations],
      workers: 5,
      async reconcile(key, signal) {
        const open = migrations.lister.list().filter((svm) => keyOf(svm) === key && !ended.has(svm.metadata.uid));
        const svm = activeOf(open);
        if (!svm) return {};
        if (!(await migrate(svm, signal))) return { requeueAfterMs: 5_000 };
        ended.add(svm.metadata.uid);
        queue.add(key);
        return {};
      },
    };
  }),
  featureGate: 'StorageVersionMigrator',
};
