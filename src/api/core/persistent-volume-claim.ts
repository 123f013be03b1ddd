import { deepCopy, semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { PersistentVolumeClaim, type PersistentVolumeClaimStatus, type TypedLocalObjectReference } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { isQualifiedName } from '../names.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { canonicalQuantity, compareQuantities, tryParseQuantity } from '../quantity.ts';
import { formatAccessModes } from './access-modes.ts';
import { reject } from './checks.ts';
import { validatePersistentVolumeClaimSpec } from './claim-spec.ts';
import { goDiff } from './go-diff.ts';
import { defaultPersistentVolumeClaimSpec } from './pod-defaults.ts';
import { isNativeResource, requireNonNegativeValue } from './resource-names.ts';
import { claimSpecWarnings } from './volume-warnings.ts';

/** Where the class was said before it was a field. */
export const storageClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
/** What is said of it. */
export const oldClassWarning = `metadata.annotations[${storageClassAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`;

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const storagePath = specPath.child('resources', 'requests', 'storage');

/** What a claim could be made from before `dataSourceRef`; anything else in its place was never heeded. */
function isKnownSource({ apiGroup = '', kind }: TypedLocalObjectReference): boolean {
  return apiGroup === '' ? kind === 'PersistentVolumeClaim' : apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot';
}

/** Drops a data source that is none, unless the claim was made from it (KEP-1495). */
function dropUnknownSource({ spec }: PersistentVolumeClaim, prev: PersistentVolumeClaim | undefined): void {
  if (prev?.spec.dataSource || prev?.spec.dataSourceRef || spec.dataSourceRef) return;
  if (spec.dataSource && !isKnownSource(spec.dataSource)) delete spec.dataSource;
}

/** A claim's data source and its newer form say the same, unless another namespace is meant. */
function normalizeDataSources({ spec }: PersistentVolumeClaim): void {
  if (spec.dataSourceRef?.namespace) return;
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource) {
    const { apiGroup, kind, name } = spec.dataSourceRef;
    spec.dataSource = { ...(apiGroup === undefined ? {} : { apiGroup }), kind, name };
  }
}

/** What an earlier release has stored, with what has come later: it is no change of a client's. */
function completed(claim: PersistentVolumeClaim, next: PersistentVolumeClaim): PersistentVolumeClaim {
  const isDefaulted = claim.spec.volumeMode === undefined && next.spec.volumeMode === 'Filesystem';
  const whole: PersistentVolumeClaim = { ...claim, spec: { ...claim.spec, ...(isDefaulted ? { volumeMode: 'Filesystem' } : {}) } };
  normalizeDataSources(whole);
  return whole;
}

/** The new spec with what may change put back. */
function withoutAllowedChanges(next: PersistentVolumeClaim, prev: PersistentVolumeClaim): PersistentVolumeClaim['spec'] {
  const spec = deepCopy(next.spec);
  const oldAnnotation = prev.metadata.annotations?.[storageClassAnnotation];
  const isClassNew = prev.spec.storageClassName === undefined && spec.storageClassName !== undefined;
  if (isClassNew && (oldAnnotation === undefined || oldAnnotation === spec.storageClassName)) delete spec.storageClassName;
  if (next.status?.phase === 'Bound') {
    const storage = prev.spec.resources?.requests?.storage;
    if (spec.resources?.requests && storage !== undefined) spec.resources.requests.storage = storage;
    const { volumeAttributesClassName: attributes } = prev.spec;
    if (attributes === undefined) delete spec.volumeAttributesClassName;
    else spec.volumeAttributesClassName = attributes;
  }
  return spec;
}

/** Of native resources a claim has storage only. */
function validateResourceKey(name: string, path: FieldPath, errors: FieldErrors): boolean {
  const wrong = isQualifiedName(name);
  reject(errors, path, name, wrong);
  if (wrong.length > 0) return false;
  const isKnown = name === 'storage' || !isNativeResource(name);
  if (!isKnown) errors.notSupported(path, name, ['storage']);
  return isKnown;
}

const resizeStates = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

function validateStatus(status: PersistentVolumeClaimStatus, errors: FieldErrors): void {
  for (const [name, value] of Object.entries(status.capacity ?? {}))
    requireNonNegativeValue(value, statusPath.child('capacity').key(name), errors);
  const statesPath = statusPath.child('allocatedResourceStatuses');
  for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    validateResourceKey(name, statesPath, errors);
    if (!resizeStates.includes(state)) errors.notSupported(statesPath, name, resizeStates);
  }
  const allocatedPath = statusPath.child('allocatedResources');
  for (const [name, value] of Object.entries(status.allocatedResources ?? {}))
    if (validateResourceKey(name, allocatedPath, errors)) requireNonNegativeValue(value, allocatedPath.key(name), errors);
}

/** The annotation may go or come only together with the field that took its place. */
function validateClassAnnotation(next: PersistentVolumeClaim, prev: PersistentVolumeClaim, errors: FieldErrors): void {
  const before = prev.metadata.annotations?.[storageClassAnnotation];
  const now = next.metadata.annotations?.[storageClassAnnotation];
  const isUpgrade =
    before !== undefined &&
    prev.spec.storageClassName === undefined &&
    next.spec.storageClassName === before &&
    (now === undefined || now === before);
  if (!isUpgrade && (before ?? '') !== (now ?? ''))
    errors.invalid(new FieldPath('metadata').child('annotations', storageClassAnnotation), now ?? '', fieldImmutable);
}

export const persistentVolumeClaim = defineKind<PersistentVolumeClaim>({
  resource: PersistentVolumeClaim,
  answersDeleted: true,
  shortNames: ['pvc'],
  storagePrefix: 'persistentvolumeclaims',
  generation: false,
  defaults(claim) {
    claim.spec ??= {};
    defaultPersistentVolumeClaimSpec(claim.spec);
    claim.status ??= {};
    claim.status.phase ||= 'Pending';
  },
  create(claim) {
    claim.status = { phase: 'Pending' };
    dropUnknownSource(claim, undefined);
    normalizeDataSources(claim);
  },
  update(next, prev) {
    next.status = prev.status;
    dropUnknownSource(next, prev);
    normalizeDataSources(next);
  },
  validate: ({ spec }, errors) => validatePersistentVolumeClaimSpec(spec, specPath, errors),
  validateUpdate(next, stored, errors) {
    const prev = completed(stored, next);
    validateClassAnnotation(next, prev, errors);
    const spec = withoutAllowedChanges(next, prev);
    // A claim may come to have a volume.
    const old = prev.spec.volumeName ? prev.spec : { ...prev.spec, volumeName: next.spec.volumeName };
    if (!semanticEqual(spec, old)) {
      const detail = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
      errors.forbidden(specPath, `${detail}\n${goDiff('core.v1.PersistentVolumeClaimSpec', old, spec)}`);
    }
    const now = tryParseQuantity(next.spec.resources?.requests?.storage ?? '0');
    const before = tryParseQuantity(prev.spec.resources?.requests?.storage ?? '0');
    const capacity = tryParseQuantity(prev.status?.capacity?.storage ?? '0');
    // Asking for less is how one gives up an expansion that failed; less than there is cannot be had.
    if (now && before && capacity && compareQuantities(now, before) < 0 && compareQuantities(now, capacity) <= 0)
      errors.forbidden(storagePath, 'field can not be less than status.capacity');
    if (next.spec.volumeMode !== prev.spec.volumeMode)
      errors.invalid(new FieldPath('volumeMode'), next.spec.volumeMode ?? null, fieldImmutable);
    const { volumeAttributesClassName: attributes } = next.spec;
    // A claim that has a class can't come to have none; one that was refused its class may give it up.
    if (prev.status?.currentVolumeAttributesClassName !== undefined && prev.spec.volumeAttributesClassName !== attributes && !attributes)
      errors.forbidden(
        specPath.child('volumeAttributesClassName'),
        `update to ${attributes === undefined ? 'nil' : 'empty string'} is forbidden when status.currentVolumeAttributesClassName is not nil`,
      );
  },
  warnings: ({ metadata, spec }) => [
    ...(metadata.annotations?.[storageClassAnnotation] === undefined ? [] : [oldClassWarning]),
    ...claimSpecWarnings(spec, specPath),
  ],
  subresources: {
    status: {
      validate: ({ status }, _prev, errors) => validateStatus(status ?? {}, errors),
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Status',
      description: fieldDoc('core.v1.PersistentVolumeClaimStatus.phase'),
      value: ({ metadata, status }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    },
    {
      name: 'Volume',
      description: fieldDoc('core.v1.PersistentVolumeClaimSpec.volumeName'),
      value: ({ spec }) => spec.volumeName ?? '',
    },
    {
      name: 'Capacity',
      description: fieldDoc('core.v1.PersistentVolumeClaimStatus.capacity'),
      value: ({ spec, status }) =>
        spec.volumeName && status?.capacity?.storage ? canonicalQuantity(status.capacity.storage) : spec.volumeName ? '0' : '',
    },
    {
      name: 'Access Modes',
      description: fieldDoc('core.v1.PersistentVolumeClaimStatus.accessModes'),
      value: ({ spec, status }) => (spec.volumeName ? formatAccessModes(status?.accessModes) : ''),
    },
    {
      name: 'StorageClass',
      description: 'StorageClass of the pvc',
      value: ({ metadata, spec }) => metadata.annotations?.[storageClassAnnotation] ?? spec.storageClassName ?? '',
    },
    {
      name: 'VolumeAttributesClass',
      description: 'VolumeAttributesClass of the pvc',
      value: ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    },
    ageColumn,
    {
      name: 'VolumeMode',
      priority: 1,
      description: fieldDoc('core.v1.PersistentVolumeClaimSpec.volumeMode'),
      value: ({ spec }) => spec.volumeMode ?? '<unset>',
    },
  ],
});
