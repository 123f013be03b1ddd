import type { KubeObject, Resource } from '../../api/index.ts';
import { hasReason, type Selector } from '../../api/index.ts';
import { type Client, controllerOf, controllerRef, type Informer } from '../../client/index.ts';

const ownerIndex = 'controller-uid';
const orphanKey = (namespace: string | undefined) => `orphans in ${namespace ?? ''}`;

/** Files an informer's objects under the uid of their controller, and those without one under their namespace. */
export function indexByController<T extends KubeObject>(informer: Informer<T>): void {
  informer.addIndex(ownerIndex, (object) => [controllerOf(object)?.uid ?? orphanKey(object.metadata.namespace)]);
}

/** The objects that have this one as their controller. */
export function controlledBy<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): readonly T[] {
  return informer.lister.byIndex(ownerIndex, owner.metadata.uid);
}

/** The objects of a namespace that no controller has. */
export function orphansIn<T extends KubeObject>(informer: Informer<T>, namespace: string | undefined): readonly T[] {
  return informer.lister.byIndex(ownerIndex, orphanKey(namespace));
}

/**
 * The objects that belong to an owner by its selector: orphans that match are adopted, its own that match no longer are
 * released (upstream's ControllerRefManager). `adoptable` says which orphans may be taken.
 */
export async function claim<T extends KubeObject, O extends KubeObject>(options: {
  client: Client;
  informer: Informer<T>;
  owner: O;
  ownerResource: Resource<O>;
  selector: Selector;
  adoptable?: (object: T) => boolean;
  /** Its own that are let go of where they match no longer; default: all. */
  releasable?: (object: T) => boolean;
  /** Set on what is adopted, taken off what is released. */
  finalizer?: string;
  signal: AbortSignal;
}): Promise<T[]> {
  const { client, informer, owner, ownerResource, selector, adoptable, releasable, finalizer, signal } = options;
  const { namespace, uid, deletionTimestamp } = owner.metadata;
  const claimed: T[] = [];
  const write = (object: T, patch: object) =>
    client.patch(informer.resource, object.metadata.name, 'strategic', patch, { namespace, signal }).catch((error: unknown) => {
      // It is gone, or another of its name: nothing to claim. Invalid: it has been given a controller or lost its references meanwhile.
      if (hasReason(error, 'NotFound') || hasReason(error, 'Invalid')) return undefined;
      throw error;
    });

  for (const object of controlledBy(informer, owner)) {
    if (selector.matches(object.metadata.labels)) {
      claimed.push(object);
      continue;
    }
    if (deletionTimestamp || releasable?.(object) === false) continue;
    await write(object, {
      metadata: {
        uid: object.metadata.uid,
        ownerReferences: [{ $patch: 'delete', uid }],
        ...(finalizer ? { '$deleteFromPrimitiveList/finalizers': [finalizer] } : {}),
      },
    });
  }

  if (deletionTimestamp) return claimed;
  let checked = false;
  for (const object of orphansIn(informer, namespace)) {
    if (object.metadata.deletionTimestamp || !selector.matches(object.metadata.labels) || adoptable?.(object) === false) continue;
    if (!checked) {
      // Adoption by an owner that is gone would leave the object without one that looks after it.
      const fresh = await client.get(ownerResource, owner.metadata.name, { namespace, signal });
      if (fresh.metadata.uid !== uid || fresh.metadata.deletionTimestamp) return claimed;
      checked = true;
    }
    const adopted = await write(object, {
      metadata: {
        uid: object.metadata.uid,
        ownerReferences: [controllerRef(owner, ownerResource)],
        ...(finalizer ? { finalizers: [finalizer] } : {}),
      },
    });
    if (adopted) claimed.push(adopted);
  }
  return claimed;
}
