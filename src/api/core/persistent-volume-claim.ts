import { deepCopy, semanticEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import { PersistentVolumeClaim } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { canonicalQuantity, compareQuantities, tryParseQuantity } from '../quantity.ts';
import { formatAccessModes } from './access-modes.ts';
import { validatePersistentVolumeClaimSpec } from './claim-spec.ts';
import { goDiff } from './go-diff.ts';
import { defaultPersistentVolumeClaimSpec } from './pod-defaults.ts';
import { validateResourceQuantity } from './resource-names.ts';

/** Where the class was said before it was a field. */
export const storageClassAnnotation = 'volume.beta.kubernetes.io/storage-class';

const specPath = new FieldPath('spec');
const storagePath = specPath.child('resources', 'requests', 'storage');

/** A claim's data source and its newer form say the same, unless another namespace is meant. */
function normalizeDataSources({ spec }: PersistentVolumeClaim): void {
  if (spec.dataSourceRef?.namespace) return;
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource) {
    const { apiGroup, kind, name } = spec.dataSourceRef;
    spec.dataSource = { ...(apiGroup === undefined ? {} : { apiGroup }), kind, name };
  }
}

/** The new spec with what may change put back. */
function withoutAllowedChanges(next: PersistentVolumeClaim, prev: PersistentVolumeClaim): PersistentVolumeClaim['spec'] {
  const spec = deepCopy(next.spec);
  if (!prev.spec.volumeName) spec.volumeName = prev.spec.volumeName;
  const oldAnnotation = prev.metadata.annotations?.[storageClassAnnotation];
  const isClassNew = prev.spec.storageClassName === undefined && spec.storageClassName !== undefined;
  if (isClassNew && (oldAnnotation === undefined || oldAnnotation === spec.storageClassName)) delete spec.storageClassName;
  if (next.status?.phase === 'Bound') {
    const storage = prev.spec.resources?.requests?.storage;
    if (spec.resources?.requests && storage !== undefined) spec.resources.requests.storage = storage;
    if (spec.volumeAttributesClassName !== undefined) spec.volumeAttributesClassName = prev.spec.volumeAttributesClassName;
  }
  return spec;
}

export const persistentVolumeClaim = defineKind<PersistentVolumeClaim>({
  resource: PersistentVolumeClaim,
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
    normalizeDataSources(claim);
  },
  update(next, prev) {
    next.status = prev.status;
    normalizeDataSources(next);
  },
  validate: ({ spec }, errors) => validatePersistentVolumeClaimSpec(spec, specPath, errors),
  validateUpdate(next, prev, errors) {
    const spec = withoutAllowedChanges(next, prev);
    if (!semanticEqual(spec, prev.spec)) {
      const detail = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
      errors.forbidden(specPath, `${detail}\n${goDiff('core.PersistentVolumeClaimSpec', prev.spec, spec)}`);
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
    if (prev.spec.volumeAttributesClassName && !attributes)
      errors.forbidden(
        specPath.child('volumeAttributesClassName'),
        `update from non-nil value to ${attributes === undefined ? 'nil' : 'an empty string'} is forbidden`,
      );
  },
  subresources: {
    status: {
      validate({ status }, _prev, errors) {
        for (const field of ['capacity', 'allocatedResources'] as const)
          for (const [name, value] of Object.entries(status?.[field] ?? {}))
            validateResourceQuantity(name, value, new FieldPath('status').child(field).key(name), errors);
      },
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Status',
      description: 'phase represents the current phase of PersistentVolumeClaim.',
      value: ({ metadata, status }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    },
    {
      name: 'Volume',
      description: 'volumeName is the binding reference to the PersistentVolume backing this claim.',
      value: ({ spec }) => spec.volumeName ?? '',
    },
    {
      name: 'Capacity',
      description: 'capacity represents the actual resources of the underlying volume.',
      value: ({ spec, status }) =>
        spec.volumeName && status?.capacity?.storage ? canonicalQuantity(status.capacity.storage) : spec.volumeName ? '0' : '',
    },
    {
      name: 'Access Modes',
      description: 'accessModes contains the actual access modes the volume backing the PVC has.',
      value: ({ spec, status }) => (spec.volumeName ? formatAccessModes(status?.accessModes) : ''),
    },
    {
      name: 'StorageClass',
      description: 'storageClassName is the name of the StorageClass required by the claim.',
      value: ({ metadata, spec }) => metadata.annotations?.[storageClassAnnotation] ?? spec.storageClassName ?? '',
    },
    {
      name: 'VolumeAttributesClass',
      description: 'volumeAttributesClassName may be used to set the VolumeAttributesClass used by this claim.',
      value: ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    },
    ageColumn,
    {
      name: 'VolumeMode',
      priority: 1,
      description: 'volumeMode defines what type of volume is required by the claim.',
      value: ({ spec }) => spec.volumeMode ?? '<unset>',
    },
  ],
});
