import { PersistentVolume, PersistentVolumeClaim, type Pod, StorageClass, storageClassAnnotation } from '../../../api/index.ts';
import type { SharedInformerFactory } from '../../../client/index.ts';

/** What a pod's volumes refer to, from the informers' caches. */
export interface ClaimLookup {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): readonly PersistentVolume[];
  class(claim: PersistentVolumeClaim): StorageClass | undefined;
}

export function claimLookup(informers: SharedInformerFactory): ClaimLookup {
  const claims = informers.for(PersistentVolumeClaim).lister;
  const volumes = informers.for(PersistentVolume).lister;
  const classes = informers.for(StorageClass).lister;
  return {
    claim: (namespace, name) => claims.get(name, namespace),
    volume: (name) => volumes.get(name),
    volumes: () => volumes.list(),
    class: (claim) => classes.get(classNameOf(claim)),
  };
}

export function classNameOf(claim: PersistentVolumeClaim): string {
  return claim.metadata.annotations?.[storageClassAnnotation] ?? claim.spec?.storageClassName ?? '';
}

/** Bound by the volume controller, from both sides. */
export function isBound(claim: PersistentVolumeClaim): boolean {
  return !!claim.spec?.volumeName && claim.metadata.annotations?.['pv.kubernetes.io/bind-completed'] !== undefined;
}

/** A claim that a volume of the pod uses; `ephemeral` ones are made for the pod and named after it. */
export interface ClaimUse {
  readonly name: string;
  readonly ephemeral: boolean;
}

export function claimUses(pod: Pod): ClaimUse[] {
  const uses: ClaimUse[] = [];
  for (const { name, persistentVolumeClaim, ephemeral } of pod.spec.volumes ?? []) {
    if (persistentVolumeClaim) uses.push({ name: persistentVolumeClaim.claimName, ephemeral: false });
    else if (ephemeral) uses.push({ name: `${pod.metadata.name}-${name}`, ephemeral: true });
  }
  return uses;
}
