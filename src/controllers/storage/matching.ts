/** Which volume is for which claim. Pure. */
import {
  compareQuantities,
  isDefaultStorageClass,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type StorageClass,
  selectorFromObject,
  selectorSelectsNode,
  storageClassAnnotation,
} from '../../api/index.ts';

export const classOfClaim = ({ metadata, spec }: PersistentVolumeClaim): string =>
  metadata.annotations?.[storageClassAnnotation] ?? spec?.storageClassName ?? '';
export const classOfVolume = ({ metadata, spec }: PersistentVolume): string =>
  metadata.annotations?.[storageClassAnnotation] ?? spec?.storageClassName ?? '';

/** The class of claims that name none: the newest of those that are marked so. */
export function defaultClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const marked = classes.filter(isDefaultStorageClass);
  const created = ({ metadata }: StorageClass) => metadata.creationTimestamp;
  return marked.sort((a, b) =>
    created(a) === created(b) ? (a.metadata.name < b.metadata.name ? -1 : 1) : created(a) > created(b) ? -1 : 1,
  )[0];
}

/** Whether the volume is set aside for this claim (by whoever made it, or by being bound). */
export function isReservedFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const reference = volume.spec?.claimRef;
  if (!reference) return false;
  const { name, namespace, uid } = claim.metadata;
  return reference.name === name && reference.namespace === namespace && (!reference.uid || reference.uid === uid);
}

/** Whether the volume has what the claim asks for. */
export function satisfies(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { spec } = volume;
  const wanted = claim.spec;
  const size = wanted?.resources?.requests?.storage ?? '0';
  return (
    (spec?.volumeMode ?? 'Filesystem') === (wanted?.volumeMode ?? 'Filesystem') &&
    compareQuantities(spec?.capacity?.storage ?? '0', size) >= 0 &&
    (wanted?.accessModes ?? []).every((mode) => spec?.accessModes?.includes(mode)) &&
    (spec?.volumeAttributesClassName ?? '') === (wanted?.volumeAttributesClassName ?? '')
  );
}

/** The best volume for a claim: one reserved for it, or else the smallest that will do and that the node, where one is chosen, can reach. */
export function findVolume(claim: PersistentVolumeClaim, volumes: readonly PersistentVolume[], node?: Node): PersistentVolume | undefined {
  const reserved = volumes.find((volume) => isReservedFor(volume, claim) && satisfies(volume, claim));
  if (reserved) return reserved;
  const selector = claim.spec?.selector ? selectorFromObject(claim.spec.selector) : undefined;
  const fitting = volumes.filter(
    (volume) =>
      !volume.spec?.claimRef &&
      !volume.metadata.deletionTimestamp &&
      (volume.status?.phase ?? 'Available') === 'Available' &&
      classOfVolume(volume) === classOfClaim(claim) &&
      satisfies(volume, claim) &&
      (!selector || selector.matches(volume.metadata.labels)) &&
      isReachable(volume, node),
  );
  fitting.sort(
    (a, b) =>
      compareQuantities(a.spec?.capacity?.storage ?? '0', b.spec?.capacity?.storage ?? '0') || (a.metadata.name < b.metadata.name ? -1 : 1),
  );
  return fitting[0];
}

function isReachable({ spec }: PersistentVolume, node: Node | undefined): boolean {
  const required = spec?.nodeAffinity?.required;
  return !node || !required || selectorSelectsNode(required, node.metadata.name, node.metadata.labels ?? {});
}
