import { deepCopy, semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { PersistentVolume, type PersistentVolumeSpec, type VolumeNodeAffinity } from '../generated/core.v1.ts';
import { internalForm, sortedMap } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Subdomain } from '../names.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { canonicalQuantity } from '../quantity.ts';
import { isSameStruct } from '../schema/optional-structs.ts';
import { formatAccessModes } from './access-modes.ts';
import { allowOneOf, reject } from './checks.ts';
import { validateAccessModes, volumeModes } from './claim-spec.ts';
import { goDiff } from './go-diff.ts';
import { nodeTermWarnings } from './node-label-warnings.ts';
import { oldClassWarning, storageClassAnnotation } from './persistent-volume-claim.ts';
import { persistentVolumeSources, validatePersistentVolumeSource } from './persistent-volume-sources.ts';
import { requireNonNegativeValue, requirePositiveQuantity } from './resource-names.ts';
import { validateNodeSelector } from './scheduling-rules.ts';
import { goneSourceWarnings } from './volume-warnings.ts';

const mountOptionsAnnotation = 'volume.beta.kubernetes.io/mount-options';
const specPath = new FieldPath('spec');

function validateCapacity({ capacity = {} }: PersistentVolumeSpec, errors: FieldErrors): void {
  const path = specPath.child('capacity');
  const names = Object.keys(capacity);
  if (names.length === 0) errors.required(path);
  if (capacity.storage === undefined || names.length > 1)
    errors.notSupported(path, names.length === 0 ? null : sortedMap(capacity), ['storage']);
  for (const [name, value] of Object.entries(capacity)) {
    requireNonNegativeValue(value, path.key(name), errors);
    requirePositiveQuantity(value, path.key(name), errors);
  }
}

/** A volume that is no object of its own but part of an attachment: one of CSI, without what binds volumes and claims. */
export function validateInlinePersistentVolumeSpec(spec: PersistentVolumeSpec, path: FieldPath, errors: FieldErrors): void {
  const inline = 'in the context of inline volumes';
  const refuse = (field: keyof PersistentVolumeSpec, isGiven: boolean, detail = `may not be specified ${inline}`) => {
    if (isGiven) errors.forbidden(path.child(field), detail);
  };
  const { persistentVolumeReclaimPolicy: policy, volumeMode } = spec;
  refuse('claimRef', spec.claimRef !== undefined);
  refuse('capacity', Object.keys(spec.capacity ?? {}).length > 0);
  if (!spec.csi) errors.required(path.child('csi'), `has to be specified ${inline}`);
  if (!spec.accessModes?.length) errors.required(path.child('accessModes'));
  validateAccessModes(spec.accessModes ?? [], path.child('accessModes'), errors);
  refuse('persistentVolumeReclaimPolicy', Boolean(policy) && policy !== 'Retain', `may only be Retain ${inline}`);
  refuse('nodeAffinity', spec.nodeAffinity !== undefined);
  validatePersistentVolumeSource(spec, '', path, errors);
  refuse('storageClassName', Boolean(spec.storageClassName));
  const otherMode = volumeMode !== undefined && volumeMode !== 'Filesystem';
  refuse('volumeMode', otherMode, `may not specify volumeMode other than Filesystem ${inline}`);
}

function validateSpec({ metadata, spec }: PersistentVolume, errors: FieldErrors): void {
  if (!spec.accessModes?.length) errors.required(specPath.child('accessModes'));
  validateAccessModes(spec.accessModes ?? [], specPath.child('accessModes'), errors);
  validateCapacity(spec, errors);
  const policyPath = specPath.child('persistentVolumeReclaimPolicy');
  if (spec.persistentVolumeReclaimPolicy)
    allowOneOf(errors, policyPath, spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']);
  const affinityPath = specPath.child('nodeAffinity');
  if (spec.nodeAffinity) {
    const { required } = spec.nodeAffinity;
    if (required) validateNodeSelector(required, affinityPath.child('required'), errors);
    else errors.required(affinityPath.child('required'), 'must specify required node constraints');
  }
  validatePersistentVolumeSource(spec, metadata.name ?? '', specPath, errors);
  if (spec.hostPath && isRootPath(spec.hostPath.path ?? '') && spec.persistentVolumeReclaimPolicy === 'Recycle')
    errors.forbidden(policyPath, "may not be 'recycle' for a hostPath mount of '/'");
  const { storageClassName, volumeAttributesClassName: attributes } = spec;
  if (storageClassName) reject(errors, specPath.child('storageClassName'), storageClassName, isDns1123Subdomain(storageClassName));
  allowOneOf(errors, specPath.child('volumeMode'), spec.volumeMode, volumeModes);
  if (attributes === undefined) return;
  const path = specPath.child('volumeAttributesClassName');
  if (attributes === '') errors.required(path, 'an empty string is disallowed');
  else reject(errors, path, attributes, isDns1123Subdomain(attributes));
  if (!spec.csi) errors.required(specPath.child('csi'), 'has to be specified when using volumeAttributesClassName');
}

/** Whether an absolute path leads to the root, by whatever detours. */
function isRootPath(path: string): boolean {
  if (!path.startsWith('/')) return false;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.length === 0;
}

const stableLabels: Record<string, string> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

/** `affinity` with the labels' beta names replaced where `next` has the stable ones in the same place. */
function withStableLabels(affinity: VolumeNodeAffinity, next: VolumeNodeAffinity | undefined): VolumeNodeAffinity {
  const renamed = deepCopy(affinity);
  for (const [t, term] of (renamed.required?.nodeSelectorTerms ?? []).entries())
    for (const [e, expression] of (term.matchExpressions ?? []).entries()) {
      const key = next?.required?.nodeSelectorTerms?.[t]?.matchExpressions?.[e]?.key;
      if (key !== undefined && stableLabels[expression.key] === key) expression.key = key;
    }
  return renamed;
}

function sourceOf(spec: PersistentVolumeSpec): Record<string, unknown> {
  return Object.fromEntries(persistentVolumeSources.flatMap((kind) => (spec[kind] === undefined ? [] : [[kind, spec[kind]]])));
}

export const persistentVolume = defineKind<PersistentVolume>({
  resource: PersistentVolume,
  answersDeleted: true,
  shortNames: ['pv'],
  storagePrefix: 'persistentvolumes',
  generation: false,
  defaults(volume) {
    volume.spec ??= {};
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    volume.spec.volumeMode ??= 'Filesystem';
    if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
    if (volume.spec.azureDisk) {
      volume.spec.azureDisk.cachingMode ??= 'ReadWrite';
      volume.spec.azureDisk.kind ??= 'Shared';
    }
    volume.status ??= {};
    volume.status.phase ||= 'Pending';
  },
  create(volume, { now }) {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: now };
  },
  update(next, prev) {
    next.status = prev.status;
  },
  validate: validateSpec,
  validateUpdate(next, prev, errors) {
    const after = sourceOf(next.spec);
    const before = sourceOf(prev.spec);
    // A secret for expansion may be named once it is needed.
    if (next.spec.csi && prev.spec.csi && !prev.spec.csi.controllerExpandSecretRef) {
      const { controllerExpandSecretRef: _, ...csi } = next.spec.csi;
      after.csi = csi;
    }
    if (!isSameStruct('core.v1.PersistentVolumeSpec', after, before))
      errors.forbidden(
        specPath.child('persistentvolumesource'),
        `spec.persistentvolumesource is immutable after creation\n${goDiff('core.v1.PersistentVolumeSpec', before, after, persistentVolumeSources)}`,
      );
    if (next.spec.volumeMode !== prev.spec.volumeMode)
      errors.invalid(new FieldPath('volumeMode'), next.spec.volumeMode ?? null, fieldImmutable);
    const affinityIsKept = !errors.isEnabled('MutablePVNodeAffinity', false);
    if (
      affinityIsKept &&
      prev.spec.nodeAffinity &&
      !semanticEqual(next.spec.nodeAffinity, withStableLabels(prev.spec.nodeAffinity, next.spec.nodeAffinity))
    )
      errors.invalid(
        new FieldPath('nodeAffinity'),
        internalForm('core.v1.VolumeNodeAffinity', next.spec.nodeAffinity),
        'field is immutable, except for updating from beta label to GA',
      );
    if (prev.spec.volumeAttributesClassName !== undefined && next.spec.volumeAttributesClassName === undefined)
      errors.forbidden(specPath.child('volumeAttributesClassName'), 'update from non-nil value to nil is forbidden');
  },
  warnings({ metadata: { annotations = {} }, spec }) {
    const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
    const termsPath = specPath.child('nodeAffinity', 'required', 'nodeSelectorTerms');
    return [
      ...(annotations[storageClassAnnotation] === undefined ? [] : [oldClassWarning]),
      ...(annotations[mountOptionsAnnotation] === undefined
        ? []
        : [`metadata.annotations[${mountOptionsAnnotation}]: deprecated since v1.31; use "mountOptions" attribute instead`]),
      ...(spec.persistentVolumeReclaimPolicy === 'Recycle'
        ? [
            'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
          ]
        : []),
      ...terms.flatMap((term, i) => nodeTermWarnings(term, false, termsPath.index(i))),
      ...goneSourceWarnings(spec, specPath),
    ];
  },
  subresources: {
    status: {
      update(next, prev, { now }) {
        next.spec = prev.spec;
        if (!next.status) return;
        const { phase, lastPhaseTransitionTime: since } = next.status;
        const before = prev.status?.lastPhaseTransitionTime;
        // Who says no other time means the present one, or now.
        if (since !== undefined && since !== before) return;
        if (phase !== prev.status?.phase) next.status.lastPhaseTransitionTime = now;
        else if (before !== undefined) next.status.lastPhaseTransitionTime = before;
      },
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Capacity',
      description: fieldDoc('core.v1.PersistentVolumeSpec.capacity'),
      value: ({ spec }) => canonicalQuantity(spec.capacity?.storage ?? '0'),
    },
    {
      name: 'Access Modes',
      description: fieldDoc('core.v1.PersistentVolumeSpec.accessModes'),
      value: ({ spec }) => formatAccessModes(spec.accessModes),
    },
    {
      name: 'Reclaim Policy',
      description: fieldDoc('core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy'),
      value: ({ spec }) => spec.persistentVolumeReclaimPolicy ?? '',
    },
    {
      name: 'Status',
      description: fieldDoc('core.v1.PersistentVolumeStatus.phase'),
      value: ({ metadata, status }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    },
    {
      name: 'Claim',
      description: fieldDoc('core.v1.PersistentVolumeSpec.claimRef'),
      value: ({ spec: { claimRef } }) => (claimRef ? `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}` : ''),
    },
    {
      name: 'StorageClass',
      description: 'StorageClass of the pv',
      value: ({ metadata, spec }) => metadata.annotations?.[storageClassAnnotation] ?? spec.storageClassName ?? '',
    },
    {
      name: 'VolumeAttributesClass',
      description: 'VolumeAttributesClass of the pv',
      value: ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    },
    {
      name: 'Reason',
      description: fieldDoc('core.v1.PersistentVolumeStatus.reason'),
      value: ({ status }) => status?.reason ?? '',
    },
    ageColumn,
    {
      name: 'VolumeMode',
      priority: 1,
      description: fieldDoc('core.v1.PersistentVolumeSpec.volumeMode'),
      value: ({ spec }) => spec.volumeMode ?? '<unset>',
    },
  ],
});
