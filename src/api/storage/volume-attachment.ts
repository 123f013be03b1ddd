import { reject } from '../core/checks.ts';
import { validateInlinePersistentVolumeSpec } from '../core/persistent-volume.ts';
import { validateCsiDriverName } from '../core/volume-sources.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { VolumeAttachment, type VolumeAttachmentStatus, type VolumeError } from '../generated/storage.v1.ts';
import * as v1alpha1 from '../generated/storage.v1alpha1.ts';
import * as v1beta1 from '../generated/storage.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { byteLength, isDns1123Subdomain, isInRange } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const maxErrorBytes = 1024;
const maxMetadataBytes = 256 * 1024;

function validateError(error: VolumeError | undefined, path: FieldPath, errors: FieldErrors): void {
  // Upstream names the other limit.
  if (byteLength(error?.message ?? '') > maxErrorBytes) errors.tooLong(path.child('message'), maxMetadataBytes);
  const { errorCode } = error ?? {};
  if (errorCode !== undefined) reject(errors, path.child('errorCode'), errorCode, isInRange(errorCode, 0, 2 ** 31 - 1));
}

function validateStatus({ attachError, attachmentMetadata = {}, detachError }: Partial<VolumeAttachmentStatus>, errors: FieldErrors): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(attachmentMetadata)) bytes += byteLength(key) + byteLength(value);
  if (bytes > maxMetadataBytes) errors.tooLong(statusPath.child('attachmentMetadata'), maxMetadataBytes);
  validateError(attachError, statusPath.child('attachError'), errors);
  validateError(detachError, statusPath.child('detachError'), errors);
}

export const volumeAttachment = defineKind<VolumeAttachment>({
  resource: VolumeAttachment,
  answersDeleted: true,
  versions: [sameShape(v1beta1.VolumeAttachment, VolumeAttachment), sameShape(v1alpha1.VolumeAttachment, VolumeAttachment)],
  generation: false,
  allowUnconditionalUpdate: false,
  validate({ spec, status }, errors) {
    const { attacher = '', nodeName = '', source = {} } = spec ?? {};
    validateCsiDriverName(attacher, specPath.child('attacher'), errors);
    const at = specPath.child('source');
    const { persistentVolumeName, inlineVolumeSpec } = source;
    if (inlineVolumeSpec === undefined && persistentVolumeName === undefined)
      errors.required(at, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
    if (inlineVolumeSpec !== undefined && persistentVolumeName !== undefined)
      errors.forbidden(at, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
    else if (persistentVolumeName === '') errors.required(at.child('persistentVolumeName'), 'must specify non empty persistentVolumeName');
    else if (inlineVolumeSpec) validateInlinePersistentVolumeSpec(inlineVolumeSpec, at.child('inlineVolumeSpec'), errors);
    reject(errors, specPath.child('nodeName'), nodeName, isDns1123Subdomain(nodeName));
    validateStatus(status ?? {}, errors);
    if (persistentVolumeName !== undefined)
      reject(errors, at.child('persistentVolumeName'), persistentVolumeName, isDns1123Subdomain(persistentVolumeName));
  },
  validateUpdate(next, prev, errors) {
    validateImmutable(next.spec, prev.spec, specPath, errors, 'storage.v1.VolumeAttachmentSpec');
  },
  subresources: { status: { keepsMetadata: true } },
  columns: [
    nameColumn,
    {
      name: 'Attacher',
      format: 'name',
      description: fieldDoc('storage.v1.VolumeAttachmentSpec.attacher'),
      value: ({ spec }) => spec.attacher,
    },
    {
      name: 'PV',
      description: fieldDoc('storage.v1.VolumeAttachmentSource.persistentVolumeName'),
      value: ({ spec }) => spec.source.persistentVolumeName ?? '',
    },
    {
      name: 'Node',
      description: fieldDoc('storage.v1.VolumeAttachmentSpec.nodeName'),
      value: ({ spec }) => spec.nodeName,
    },
    {
      name: 'Attached',
      type: 'boolean',
      description: fieldDoc('storage.v1.VolumeAttachmentStatus.attached'),
      value: ({ status }) => status?.attached ?? false,
    },
    ageColumn,
  ],
});
