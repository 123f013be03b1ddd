/**
 * Serves what CustomResourceDefinitions define, from their creation to their end. A definition is served before it says that it
 * is established, so that who waits for that finds it served.
 */
import type { Logger } from 'pino';
import {
  CustomResourceDefinition,
  cleanupFinalizer,
  customKind,
  deepEqual,
  hasReason,
  isConditionTrue,
  type KindDefinition,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, type Random, timestamp } from '../../time/index.ts';
import type { ApiServer } from '../api-server.ts';
import type { ConversionMetrics } from '../metrics/conversion-metrics.ts';
import type { ExtensionMetrics } from '../metrics/extension-metrics.ts';
import type { DefinitionMetrics } from '../metrics/open-api-metrics.ts';
import { follow } from '../storages.ts';
import type { WebhookClient } from '../webhook/index.ts';
import { finalizeDefinition } from './cleanup.ts';
import { webhookConverter } from './conversion-webhook.ts';
import { nextStatus } from './names.ts';

export interface CustomResourcesOptions {
  server: Pick<ApiServer, 'addKind' | 'removeKind' | 'replaceKind' | 'storageOf' | 'bringsAlong'>;
  /** The server's own client. */
  client: Client;
  /** Calls conversion webhooks. */
  webhooks: WebhookClient;
  conversionMetrics?: ConversionMetrics;
  expressionMetrics?: Pick<ExtensionMetrics, 'expressionCompiled' | 'expressionEvaluated'>;
  definitionMetrics?: DefinitionMetrics;
  clock: Clock;
  random: Random;
  logger: Logger;
  signal: AbortSignal;
  onError(error: unknown): void;
}

export interface CustomResources {
  /** Resolves when the definitions that were there at the start are served. */
  readonly synced: Promise<void>;
}

interface Served {
  kind: KindDefinition;
  definition: CustomResourceDefinition;
}

/** What of a definition decides how its objects are read from the store. */
const formOf = ({ spec }: CustomResourceDefinition) => ({
  versions: spec.versions.map(({ name, storage, schema }) => ({ name, storage, schema: schema ?? null })),
  preservesUnknownFields: spec.preserveUnknownFields ?? false,
});

/** What of it decides how they are served. */
const facetsOf = (definition: CustomResourceDefinition) => ({
  versions: definition.spec.versions,
  preservesUnknownFields: definition.spec.preserveUnknownFields ?? false,
  conversion: definition.spec.conversion ?? null,
  names: definition.status?.acceptedNames ?? null,
  terminating: isConditionTrue(definition, 'Terminating'),
});

export function serveCustomResources(options: CustomResourcesOptions): CustomResources {
  const { server, client, webhooks, clock, random, logger, signal, onError } = options;
  const definitions = new Map<string, CustomResourceDefinition>();
  const served = new Map<string, Served>();
  const finalizing = new Set<string>();
  const pending = new Set<string>();
  let working: Promise<void> | undefined;
  const metrics = options.expressionMetrics;
  const timed =
    (done: (seconds: number) => void) =>
    <T>(run: () => T): T => {
      const startedMs = clock.monotonic();
      try {
        return run();
      } finally {
        done((clock.monotonic() - startedMs) / 1000);
      }
    };

  const serve = (definition: CustomResourceDefinition): void => {
    const { name } = definition.metadata;
    // The server's own resource of that name goes on being served, and being all that is stored.
    if (server.bringsAlong({ group: definition.spec.group, plural: definition.spec.names.plural })) return;
    const known = served.get(name);
    if (known && deepEqual(facetsOf(known.definition), facetsOf(definition))) {
      known.definition = definition;
      return;
    }
    const kind = customKind(definition, {
      convert: webhookConverter(definition, { webhooks, random, metrics: options.conversionMetrics }),
      measures: {
        compilation: timed((seconds) => metrics?.expressionCompiled(seconds)),
        evaluation: timed((seconds) => metrics?.expressionEvaluated(seconds)),
      },
    });
    if (known) server.replaceKind(known.kind, kind, { keepStorage: deepEqual(formOf(known.definition), formOf(definition)) });
    else server.addKind(kind);
    served.set(name, { kind, definition });
    published(definition, known ? 'update' : 'add');
  };

  const published = ({ metadata, spec }: CustomResourceDefinition, reason: 'add' | 'update' | 'remove') =>
    options.definitionMetrics?.published(
      {
        name: metadata.name,
        group: spec.group,
        versions: spec.versions.filter((version) => version.served).map((version) => version.name),
      },
      reason,
    );

  const unserve = (name: string): void => {
    const known = served.get(name);
    if (known === undefined) return;
    server.removeKind(known.kind);
    served.delete(name);
    published(known.definition, 'remove');
  };

  const finalize = (definition: CustomResourceDefinition): void => {
    const { name, uid = '' } = definition.metadata;
    if (finalizing.has(uid)) return;
    finalizing.add(uid);
    const resource = served.get(name)?.kind.resource;
    finalizeDefinition({ client, clock, signal }, name, resource && { resource, storage: server.storageOf(resource) })
      .catch((error) => {
        if (signal.aborted) return;
        logger.error({ err: error, definition: name }, 'could not delete the objects of a custom resource definition; trying again');
        clock.setTimer(1000, () => schedule(name), { background: true });
      })
      .finally(() => finalizing.delete(uid));
  };

  const reconcile = async (name: string): Promise<void> => {
    const definition = definitions.get(name);
    if (!definition) {
      unserve(name);
      return;
    }
    const status = nextStatus(definition, definitions.values(), timestamp(clock));
    const next: CustomResourceDefinition = { ...definition, status };
    if (isConditionTrue(next, 'Established')) serve(next);
    if (definition.metadata.deletionTimestamp !== undefined) {
      if (definition.metadata.finalizers?.includes(cleanupFinalizer)) finalize(definition);
      return;
    }
    if (deepEqual(status, definition.status)) return;
    const resource = served.get(name)?.kind.resource;
    if (resource) await server.storageOf(resource).ready();
    // Known at once, so that the next definition sees the names as taken.
    definitions.set(name, next);
    try {
      definitions.set(name, await client.updateStatus(CustomResourceDefinition, next, { signal }));
    } catch (error) {
      // Whoever changed it in between has caused an event, which comes next.
      if (!hasReason(error, 'Conflict') && !hasReason(error, 'NotFound')) throw error;
    }
  };

  const work = async (): Promise<void> => {
    for (const name of pending) {
      pending.delete(name);
      if (signal.aborted) return;
      try {
        await reconcile(name);
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error, definition: name }, 'could not serve a custom resource definition');
      }
    }
  };
  const schedule = (name: string): void => {
    pending.add(name);
    working ??= work().finally(() => {
      working = undefined;
      const [more] = pending;
      if (more !== undefined && !signal.aborted) schedule(more);
    });
  };

  /** Names that become free may be what another one waits for. */
  const scheduleWaiting = (group: string): void => {
    for (const other of definitions.values())
      if (other.spec.group === group && !isConditionTrue(other, 'NamesAccepted')) schedule(other.metadata.name);
  };

  const following = follow(
    server.storageOf(CustomResourceDefinition),
    {
      reset() {
        for (const name of definitions.keys()) schedule(name);
        definitions.clear();
      },
      set(definition) {
        definitions.set(definition.metadata.name, definition);
        schedule(definition.metadata.name);
      },
      remove({ metadata, spec }) {
        definitions.delete(metadata.name);
        schedule(metadata.name);
        scheduleWaiting(spec.group);
      },
    },
    { signal, onError },
  );
  return {
    synced: following.then(async () => {
      while (working !== undefined) await working;
    }),
  };
}
