/** What the garbage collector does to one object, deciding by what the server says now. */
import { hasReason, type KubeObject, type OwnerReference, type Unstructured } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { DiscoveredResource } from '../framework/index.ts';
import { foregroundFinalizer, type Graph, type GraphNode, orphanFinalizer } from './graph.ts';

/** A reference to a kind that the server does not have (yet): nothing can be said of the object. */
export class UnknownKindError extends Error {
  override readonly name = 'UnknownKindError';
}

export interface Collector {
  attemptToDelete(node: GraphNode, signal: AbortSignal): Promise<void>;
  attemptToOrphan(node: GraphNode, signal: AbortSignal): Promise<void>;
}

export function createCollector(options: {
  client: Client;
  graph: Graph;
  resourceOf(apiVersion: string, kind: string): DiscoveredResource | undefined;
  enqueue(node: GraphNode): void;
}): Collector {
  const { client, graph, enqueue } = options;

  const resourceOf = ({ apiVersion, kind }: { apiVersion: string; kind: string }): DiscoveredResource => {
    const resource = options.resourceOf(apiVersion, kind);
    if (!resource) throw new UnknownKindError(`unable to get REST mapping for ${apiVersion}/${kind}.`);
    return resource;
  };

  /** The object as it is now; undefined when it, or this object of its name, is gone. */
  const read = async (resource: DiscoveredResource, namespace: string, name: string, uid: string, signal: AbortSignal) => {
    try {
      const object = await client.get(resource, name, { signal, ...(resource.namespaced ? { namespace } : {}) });
      return object.metadata.uid === uid ? object : undefined;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  };

  const at = (node: GraphNode, resource: DiscoveredResource, signal: AbortSignal) => ({
    signal,
    ...(resource.namespaced ? { namespace: node.identity.namespace } : {}),
  });

  /** Writes metadata that rests on what was read: a conflict means to look again. */
  const patchMetadata = async (node: GraphNode, resource: DiscoveredResource, latest: KubeObject, fields: object, signal: AbortSignal) => {
    const { uid, resourceVersion } = latest.metadata;
    const patch = { metadata: { uid, resourceVersion, ...fields } };
    await client.patch(resource, node.identity.name, 'merge', patch, at(node, resource, signal)).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound')) throw error;
    });
  };

  const removeOwners = (
    node: GraphNode,
    resource: DiscoveredResource,
    latest: KubeObject,
    uids: ReadonlySet<string>,
    signal: AbortSignal,
  ) =>
    patchMetadata(
      node,
      resource,
      latest,
      { ownerReferences: (latest.metadata.ownerReferences ?? []).filter((r) => !uids.has(r.uid)) },
      signal,
    );

  const removeFinalizer = async (node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> => {
    const resource = resourceOf(node.identity);
    const latest = await read(resource, node.identity.namespace, node.identity.name, node.identity.uid, signal);
    const finalizers = latest?.metadata.finalizers ?? [];
    if (!latest || !finalizers.includes(finalizer)) return;
    await patchMetadata(node, resource, latest, { finalizers: finalizers.filter((f) => f !== finalizer) }, signal);
  };

  /** What the owners are: there, gone, or going as soon as this object is gone. */
  const classify = async (node: GraphNode, references: readonly OwnerReference[], signal: AbortSignal) => {
    const solid: OwnerReference[] = [];
    const dangling: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    const { namespace } = node.identity;
    for (const reference of references) {
      if (graph.isAbsent(reference.uid, namespace)) {
        dangling.push(reference);
        continue;
      }
      const resource = resourceOf(reference);
      if (resource.namespaced && !namespace) {
        // An object outside of namespaces cannot have an owner inside of one: nothing can be said of it.
        solid.push(reference);
        continue;
      }
      const owner = await read(resource, namespace, reference.name, reference.uid, signal);
      if (!owner) {
        graph.markAbsent(reference.uid, resource.namespaced ? namespace : '');
        dangling.push(reference);
      } else if (owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(foregroundFinalizer)) waiting.push(reference);
      else solid.push(reference);
    }
    return { solid, dangling, waiting };
  };

  const remove = async (
    node: GraphNode,
    resource: DiscoveredResource,
    latest: Unstructured,
    propagationPolicy: 'Orphan' | 'Foreground' | 'Background',
    signal: AbortSignal,
  ): Promise<void> => {
    const { uid, resourceVersion } = latest.metadata;
    const preconditions = { uid, resourceVersion };
    await client
      .delete(resource, node.identity.name, { ...at(node, resource, signal), propagationPolicy, preconditions })
      .catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
  };

  /** In the foreground: the object goes when no dependent blocks it. */
  const finishForeground = async (node: GraphNode, signal: AbortSignal): Promise<void> => {
    const { uid } = node.identity;
    const blocking = [...node.dependents].filter((d) => d.owners.some((r) => r.uid === uid && r.blockOwnerDeletion));
    if (blocking.length === 0) {
      await removeFinalizer(node, foregroundFinalizer, signal);
      return;
    }
    for (const dependent of blocking) if (!dependent.deletingDependents) enqueue(dependent);
  };

  return {
    async attemptToDelete(node, signal) {
      const { identity } = node;
      // It goes already, and its dependents are looked at when it is gone.
      if (node.beingDeleted && !node.deletingDependents) return;
      const resource = resourceOf(identity);
      // A virtual owner's reference comes from an object without namespace, which can own it only there.
      const misplaced = node.virtual && resource.namespaced && identity.namespace === '';
      if (misplaced) return;
      const latest = await read(resource, identity.namespace, identity.name, identity.uid, signal);
      if (!latest) {
        if (node.virtual) graph.markAbsent(identity.uid, resource.namespaced ? identity.namespace : '');
        graph.remove(identity.uid);
        return;
      }
      if (node.deletingDependents) {
        await finishForeground(node, signal);
        return;
      }
      const { solid, dangling, waiting } = await classify(node, latest.metadata.ownerReferences ?? [], signal);
      if (solid.length + dangling.length + waiting.length === 0) return;
      if (solid.length > 0) {
        const drop = new Set([...dangling, ...waiting].map((r) => r.uid));
        if (drop.size > 0) await removeOwners(node, resource, latest, drop, signal);
        return;
      }
      if (waiting.length > 0 && node.dependents.size > 0) {
        let current = latest;
        // A circle of foreground deletions would wait for itself: stop blocking.
        if ([...node.dependents].some((d) => d.deletingDependents)) {
          const ownerReferences = (latest.metadata.ownerReferences ?? []).map((r) => ({ ...r, blockOwnerDeletion: false }));
          await patchMetadata(node, resource, latest, { ownerReferences }, signal);
          current = (await read(resource, identity.namespace, identity.name, identity.uid, signal)) ?? latest;
        }
        await remove(node, resource, current, 'Foreground', signal);
        return;
      }
      const finalizers = latest.metadata.finalizers ?? [];
      const policy = finalizers.includes(orphanFinalizer)
        ? 'Orphan'
        : finalizers.includes(foregroundFinalizer)
          ? 'Foreground'
          : 'Background';
      await remove(node, resource, latest, policy, signal);
    },

    async attemptToOrphan(node, signal) {
      const owner = new Set([node.identity.uid]);
      await Promise.all(
        [...node.dependents].map(async (dependent) => {
          const resource = resourceOf(dependent.identity);
          const { namespace, name, uid } = dependent.identity;
          const latest = await read(resource, namespace, name, uid, signal);
          if (latest?.metadata.ownerReferences?.some((r) => owner.has(r.uid)))
            await removeOwners(dependent, resource, latest, owner, signal);
        }),
      );
      await removeFinalizer(node, orphanFinalizer, signal);
    },
  };
}
