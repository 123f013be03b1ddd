/**
 * The garbage collector: an object whose owners are all gone goes too; one deleted in the foreground goes after its dependents,
 * one deleted with orphans leaves them free.
 */
import { abortable, createControllerQueue, type Reconcile, runController } from '../../client/index.ts';
import type { Controller } from '../framework/index.ts';
import { createCollector, UnknownKindError } from './collector.ts';
import { createGraph, describe, type GraphNode } from './graph.ts';
import { createMonitors } from './monitors.ts';

const name = 'garbage-collector-controller';
/** Upstream's default for --concurrent-gc-syncs. */
const defaultWorkers = 20;
/** Upstream's initialSyncTimeout: a resource that cannot be listed does not keep the others waiting for ever. */
const syncTimeoutMs = 30_000;
/** A definition is served some time after it has changed; and they come in groups. */
const rediscoverMs = 200;

export const garbageCollector: Controller = {
  name,
  async run(context, signal) {
    const { client, clock, logger, recorder, queueMetrics: metrics, config } = context;
    const events = recorder(name);
    const deletions = createControllerQueue({ name: 'garbage_collector_attempt_to_delete', clock, metrics });
    const orphans = createControllerQueue({ name: 'garbage_collector_attempt_to_orphan', clock, metrics });
    const discoveries = createControllerQueue({ name: 'garbage_collector_discovery', clock });
    /** Objects with an owner of a kind that the server did not have. */
    const unknown = new Set<string>();

    const enqueue = (node: GraphNode) => deletions.add(node.identity.uid);
    const graph = createGraph({
      attemptToDelete: enqueue,
      attemptToOrphan: (node) => orphans.add(node.identity.uid),
      invalidOwner({ identity: { apiVersion, kind, namespace, name: dependent, uid } }, owner) {
        const regarding = { apiVersion, kind, namespace, name: dependent, uid };
        const message = `ownerRef ${describe(owner)} does not exist in namespace ${JSON.stringify(namespace)}`;
        events.event(regarding, 'Warning', 'OwnerRefInvalidNamespace', message);
      },
    });
    const monitors = createMonitors(context, {
      put: graph.put,
      remove: (object) => graph.remove(object.metadata.uid),
      definitionsChanged: () => discoveries.addAfter('resources', rediscoverMs),
    });
    const collector = createCollector({ client, graph, resourceOf: monitors.resourceOf, enqueue });

    const onNode =
      (act: (node: GraphNode, signal: AbortSignal) => Promise<void>): Reconcile =>
      async (uid, running) => {
        const node = graph.get(uid);
        if (!node) return;
        try {
          await act(node, running);
        } catch (error) {
          if (!(error instanceof UnknownKindError)) throw error;
          logger?.debug({ object: describe(node.identity), error: error.message }, 'waiting for the kind to be served');
          unknown.add(uid);
        }
      };

    const ending = new AbortController();
    const stop = AbortSignal.any([signal, ending.signal]);
    const discovered = Promise.withResolvers<void>();
    const rediscover: Reconcile = async () => {
      await monitors.refresh(stop);
      for (const uid of unknown) deletions.add(uid);
      unknown.clear();
      discovered.resolve();
    };
    discoveries.add('resources');
    const discovering = runController({ name, clock, logger, queue: discoveries, reconcile: rediscover }, stop);
    const work = async () => {
      await abortable(discovered.promise, stop);
      await abortable(Promise.race([monitors.whenSynced(), clock.sleep(syncTimeoutMs, stop)]), stop);
      const workers = config.concurrentSyncs[name] ?? defaultWorkers;
      await Promise.all([
        runController({ name, clock, logger, workers, queue: deletions, reconcile: onNode(collector.attemptToDelete) }, stop),
        runController({ name, clock, logger, workers, queue: orphans, reconcile: onNode(collector.attemptToOrphan) }, stop),
      ]);
    };
    try {
      await Promise.race([Promise.all([discovering, work()]), monitors.failed]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      ending.abort(new Error('the garbage collector ends'));
      await discovering;
    }
  },
};
