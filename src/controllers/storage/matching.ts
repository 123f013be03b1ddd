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

/** Why the volume has not what the claim asks for, in upstream's words; undefined where it has. One set aside for it may be of `anyClass`. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim, { anyClass = false } = {}): string | undefined {
  const { metadata, spec } = volume;
  const wanted = claim.spec;
  if (metadata.deletionTimestamp) return `the volume is marked for deletion ${JSON.stringify(metadata.name)}`;
  if (compareQuantities(spec?.capacity?.storage ?? '0', wanted?.resources?.requests?.storage ?? '0') < 0)
    return 'requested PV is too small';
  if (!anyClass && classOfVolume(volume) !== classOfClaim(claim)) return 'storageClassName does not match';
  if ((spec?.volumeAttributesClassName ?? '') !== (wanted?.volumeAttributesClassName ?? ''))
    return 'volumeAttributesClassName does not match';
  if ((spec?.volumeMode ?? 'Filesystem') !== (wanted?.volumeMode ?? 'Filesystem')) return 'incompatible volumeMode';
  return (wanted?.accessModes ?? []).every((mode) => spec?.accessModes?.includes(mode)) ? undefined : 'incompatible accessMode';
}

/** The best volume for a claim: one reserved for it, or else the smallest that will do and that the node, where one is chosen, can reach. */
export function findVolume(claim: PersistentVolumeClaim, volumes: readonly PersistentVolume[], node?: Node): PersistentVolume | undefined {
  const reserved = volumes.find((volume) => isReservedFor(volume, claim) && !mismatch(volume, claim, { anyClass: true }));
  if (reserved) return reserved;
  const selector = claim.spec?.selector ? selectorFromObject(claim.spec.selector) : undefined;
  const fitting = volumes.filter(
    (volume) =>
      !volume.spec?.claimRef &&
      (volume.status?.phase ?? 'Available') === 'Available' &&
      !mismatch(volume, claim) &&
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
