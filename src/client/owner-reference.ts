import type { KubeObject, OwnerReference, Resource } from '../api/index.ts';
import { apiVersionOf } from '../api/index.ts';

type Owned = { metadata: { ownerReferences?: OwnerReference[] } };

/** The reference that an object made by a controller carries to the object that it was made for. */
export function controllerRef(owner: KubeObject, resource: Resource): OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The reference to the object that controls this one, where there is one. */
export function controllerOf(object: Owned): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller);
}

export function isControlledBy(object: Owned, owner: { metadata: { uid: string } }): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}
