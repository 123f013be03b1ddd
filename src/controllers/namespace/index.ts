/** A namespace that is deleted is emptied, and goes when nothing is left in it. */
import {
  hasReason,
  kubernetesFinalizer,
  Namespace,
  type Namespace as NamespaceType,
  PersistentVolumeClaim,
  Pod,
  semanticEqual,
} from '../../api/index.ts';
import { exponentialRateLimiter } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import { defineController, discover, withoutAliases } from '../framework/index.ts';
import { type Findings, namespaceConditions } from './conditions.ts';
import { deleteContent } from './content.ts';

export const namespaceController = defineController(
  'namespace-controller',
  ({ client, clock, informers, config }, queue) => {
    const namespaces = informers.for(Namespace);
    const pods = informers.for(Pod);
    const claims = informers.for(PersistentVolumeClaim);
    const enqueue = ({ metadata }: NamespaceType) => {
      if (metadata.deletionTimestamp) queue.addAfter(metadata.name, config.namespaceDeletionDelayMs);
    };
    namespaces.addHandler({ add: enqueue, update: enqueue });
    // The slowest to go: when the last of them is gone there is no need to wait for the estimate.
    const gone = (informer: { lister: { list(namespace?: string): readonly unknown[] } }) => ({
      delete({ metadata: { namespace = '' } }: { metadata: { namespace?: string } }) {
        if (informer.lister.list(namespace).length === 0 && namespaces.lister.get(namespace)?.metadata.deletionTimestamp)
          queue.add(namespace);
      },
    });
    pods.addHandler(gone(pods));
    claims.addHandler(gone(claims));

    const writeConditions = async (namespace: NamespaceType, findings: Findings, signal: AbortSignal): Promise<void> => {
      const conditions = namespaceConditions(namespace.status?.conditions, findings, timestamp(clock));
      if (semanticEqual(conditions, namespace.status?.conditions)) return;
      // The status may have been written since; the conditions are this controller's alone.
      const fresh = await client.get(Namespace, namespace.metadata.name, { signal });
      if (fresh.metadata.uid !== namespace.metadata.uid) return;
      await client.updateStatus(Namespace, { ...fresh, status: { ...fresh.status, phase: 'Terminating', conditions } }, { signal });
    };

    return {
      informers: [namespaces, pods, claims],
      workers: 10,
      async reconcile(name, signal) {
        // The cache may be older than the last pass; what it shows as there may be gone.
        const namespace = await client.get(Namespace, name, { signal }).catch((error: unknown) => {
          if (hasReason(error, 'NotFound')) return undefined;
          throw error;
        });
        if (!namespace?.metadata.deletionTimestamp || !namespace.spec.finalizers?.includes(kubernetesFinalizer)) return;
        if (namespace.status?.phase !== 'Terminating') {
          const status = { ...namespace.status, phase: 'Terminating' as const };
          await client.updateStatus(Namespace, { ...namespace, status }, { signal });
        }
        const { resources, failures: discovery } = await discover(client, signal);
        const { remaining, failures: content } = await deleteContent(client, withoutAliases(resources), name, signal);
        const left = remaining.filter(({ count }) => count > 0);
        // A namespace that goes at once needs no conditions.
        if (left.length + discovery.size + content.length > 0) {
          await writeConditions(namespace, { discovery, content, remaining }, signal);
          const wrong = [...discovery.values(), ...content];
          if (wrong.length > 0) throw new Error(`failed to empty namespace ${name}: ${wrong.join(', ')}`);
          const estimate = Math.max(...left.map(({ estimateSeconds }) => estimateSeconds));
          return { requeueAfterMs: (Math.floor(estimate / 2) + 1) * 1000 };
        }
        const fresh = await client.get(Namespace, name, { signal });
        const finalizers = (fresh.spec.finalizers ?? []).filter((finalizer) => finalizer !== kubernetesFinalizer);
        await client.update(Namespace, { ...fresh, spec: { ...fresh.spec, finalizers } }, { subresource: 'finalize', signal });
        return;
      },
    };
  },
  { rateLimiter: () => exponentialRateLimiter(5, 60_000) },
);
