import {
  compareQuantities,
  type PersistentVolume,
  type PersistentVolumeClaim,
  selectorFromObject,
  selectorSelectsNode,
} from '../../../api/index.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { classNameOf } from './claims.ts';

/** Whether a volume can be used from the node. */
export function reaches(volume: PersistentVolume, node: NodeInfo): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  return !required || selectorSelectsNode(required, node.name, node.labels);
}

/** The smallest free volume that satisfies the claim and can be used from the node; one made for the claim first. */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  node: NodeInfo,
  isTaken: (volumeName: string) => boolean,
): PersistentVolume | undefined {
  const wantedSize = claim.spec?.resources?.requests?.storage ?? '0';
  const selector = claim.spec?.selector && selectorFromObject(claim.spec.selector);
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    const { spec, metadata, status } = volume;
    const ref = spec?.claimRef;
    if (!spec || metadata.deletionTimestamp || (spec.volumeMode ?? 'Filesystem') !== (claim.spec?.volumeMode ?? 'Filesystem')) continue;
    if (ref) {
      const ours = ref.name === claim.metadata.name && ref.namespace === claim.metadata.namespace;
      if (ours && (!ref.uid || ref.uid === claim.metadata.uid) && reaches(volume, node)) return volume;
      continue;
    }
    if ((status?.phase ?? 'Available') !== 'Available' || isTaken(metadata.name)) continue;
    if ((spec.storageClassName ?? '') !== classNameOf(claim) || (selector && !selector.matches(metadata.labels))) continue;
    if ((spec.volumeAttributesClassName ?? '') !== (claim.spec?.volumeAttributesClassName ?? '')) continue;
    if (!claim.spec?.accessModes?.every((mode) => spec.accessModes?.includes(mode))) continue;
    const size = spec.capacity?.storage ?? '0';
    if (compareQuantities(size, wantedSize) < 0 || !reaches(volume, node)) continue;
    if (!best || compareQuantities(size, best.spec?.capacity?.storage ?? '0') < 0) best = volume;
  }
  return best;
}
