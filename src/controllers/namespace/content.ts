import { hasReason, isPodTerminal, type Pod } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type DiscoveredResource, messageOf } from '../framework/index.ts';

/** What is left of a resource in a namespace after it was deleted. */
export interface Remaining {
  resource: DiscoveredResource;
  count: number;
  /** How many of the objects each finalizer holds. */
  finalizers: ReadonlyMap<string, number>;
  /** Seconds until it is worth looking again. */
  estimateSeconds: number;
}

/** Upstream's finalizerEstimateSeconds: how long whoever has set a finalizer may need. */
const finalizerEstimateSeconds = 15;

/** Deletes all of one resource in a namespace and looks what is left. */
export async function deleteAll(client: Client, resource: DiscoveredResource, namespace: string, signal: AbortSignal): Promise<Remaining> {
  const nothing: Remaining = { resource, count: 0, finalizers: new Map(), estimateSeconds: 0 };
  const can = (verb: string) => resource.verbs.includes(verb);
  const list = async () => {
    try {
      return (await client.list(resource, { namespace, signal })).items;
    } catch (error) {
      // A resource that cannot be listed, or is no more, has nothing to count.
      if (hasReason(error, 'NotFound') || hasReason(error, 'MethodNotAllowed')) return [];
      throw error;
    }
  };
  if (can('deletecollection')) {
    await client.deleteCollection(resource, { namespace, propagationPolicy: 'Background', signal }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'MethodNotAllowed')) throw error;
    });
  } else if (can('list')) {
    for (const { metadata } of await list()) {
      await client.delete(resource, metadata.name, { namespace, propagationPolicy: 'Background', signal }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound') && !hasReason(error, 'MethodNotAllowed')) throw error;
      });
    }
  }
  if (!can('list')) return nothing;
  const left = await list();
  if (left.length === 0) return nothing;
  const finalizers = new Map<string, number>();
  for (const { metadata } of left) for (const name of metadata.finalizers ?? []) finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
  // A pod resource lists pods.
  const grace = resource.group === '' && resource.plural === 'pods' ? longestGrace(left as unknown as Pod[]) : 0;
  if (grace === 0 && finalizers.size === 0) {
    throw new Error(
      `unexpected items still remain in namespace: ${namespace} for gvr: ${resource.group}/${resource.version}, Resource=${resource.plural}`,
    );
  }
  return { resource, count: left.length, finalizers, estimateSeconds: grace || finalizerEstimateSeconds };
}

const longestGrace = (pods: readonly Pod[]) =>
  Math.max(0, ...pods.filter((pod) => !isPodTerminal(pod)).map((pod) => Number(pod.spec.terminationGracePeriodSeconds ?? 30)));

/** Empties a namespace: pods first, since other objects may be what they run with, then everything else (KEP-5080). */
export async function deleteContent(
  client: Client,
  resources: readonly DiscoveredResource[],
  namespace: string,
  signal: AbortSignal,
): Promise<{ remaining: Remaining[]; failures: string[] }> {
  const remaining: Remaining[] = [];
  const failures: string[] = [];
  const empty = async (resource: DiscoveredResource) => {
    try {
      remaining.push(await deleteAll(client, resource, namespace, signal));
    } catch (error) {
      if (signal.aborted) throw error;
      failures.push(messageOf(error));
    }
  };
  const isPods = ({ group, plural }: DiscoveredResource) => group === '' && plural === 'pods';
  const deletable = resources.filter(({ namespaced, verbs }) => namespaced && verbs.includes('delete'));
  for (const pods of deletable.filter(isPods)) await empty(pods);
  if (failures.length > 0 || remaining.some(({ count }) => count > 0)) return { remaining, failures };
  await Promise.all(deletable.filter((resource) => !isPods(resource)).map(empty));
  return { remaining, failures };
}
