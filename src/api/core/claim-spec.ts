/** The spec of a claim for storage, wherever one is written. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate } from '../generated/core.v1.ts';
import type { ObjectMeta } from '../generated/meta.v1.ts';
import { isDns1123Label, isDns1123Subdomain } from '../names.ts';
import { validateAnnotations, validateLabelSelector, validateLabels } from '../object-meta.ts';
import { allowOneOf, reject, rejectNew } from './checks.ts';
import { requirePositiveQuantity } from './resource-names.ts';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const volumeModes = ['Block', 'Filesystem'];

/** Each mode known; ReadWriteOncePod alone. */
export function validateAccessModes(modes: readonly string[], path: FieldPath, errors: FieldErrors): void {
  for (const mode of modes) allowOneOf(errors, path, mode, accessModes);
  if (modes.includes('ReadWriteOncePod') && modes.some((mode) => mode !== 'ReadWriteOncePod' && accessModes.includes(mode)))
    errors.forbidden(path, 'may not use ReadWriteOncePod with other access modes');
}

interface DataSource {
  apiGroup?: string;
  kind: string;
  name: string;
  namespace?: string;
}

function validateDataSource(source: DataSource, path: FieldPath, errors: FieldErrors): void {
  const { apiGroup = '', kind = '', name, namespace } = source;
  if (!name) errors.required(path.child('name'));
  if (!kind) errors.required(path.child('kind'));
  if (apiGroup === '') {
    if (kind !== 'PersistentVolumeClaim')
      errors.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  } else rejectNew(errors, path.child('apiGroup'), apiGroup, isDns1123Subdomain(apiGroup));
  if (namespace) reject(errors, path.child('namespace'), namespace, isDns1123Label(namespace));
}

function validateDataSources({ dataSource, dataSourceRef }: PersistentVolumeClaimSpec, path: FieldPath, errors: FieldErrors): void {
  if (dataSource) validateDataSource(dataSource, path.child('dataSource'), errors);
  if (dataSourceRef) validateDataSource(dataSourceRef, path.child('dataSourceRef'), errors);
  if (!dataSource || !dataSourceRef) return;
  const same =
    dataSource.apiGroup === dataSourceRef.apiGroup && dataSource.kind === dataSourceRef.kind && dataSource.name === dataSourceRef.name;
  // Upstream shows a field path here, whose JSON says nothing.
  if (dataSourceRef.namespace) errors.invalid(path, {}, 'may not be specified when dataSourceRef.namespace is specified');
  else if (!same) errors.invalid(path, {}, 'must match dataSourceRef');
}

export function validatePersistentVolumeClaimSpec(spec: PersistentVolumeClaimSpec, path: FieldPath, errors: FieldErrors): void {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) errors.required(path.child('accessModes'), 'at least 1 access mode is required');
  validateLabelSelector(spec.selector, path.child('selector'), errors);
  validateAccessModes(modes, path.child('accessModes'), errors);
  const storage = spec.resources?.requests?.storage;
  const storagePath = path.child('resources').key('storage');
  if (storage === undefined) errors.required(storagePath);
  else requirePositiveQuantity(storage, storagePath, errors);
  const { storageClassName, volumeAttributesClassName } = spec;
  if (storageClassName) reject(errors, path.child('storageClassName'), storageClassName, isDns1123Subdomain(storageClassName));
  allowOneOf(errors, path.child('volumeMode'), spec.volumeMode, volumeModes);
  validateDataSources(spec, path, errors);
  if (volumeAttributesClassName)
    reject(errors, path.child('volumeAttributesClassName'), volumeAttributesClassName, isDns1123Subdomain(volumeAttributesClassName));
}

/** Of what is decoded numbers are there only where somebody has set them. */
const isSet = (value: unknown) => typeof value === 'number' || (Array.isArray(value) ? value.length > 0 : Boolean(value));

/** The metadata that a template gives to what is made from it: labels and annotations. */
export function validateTemplateMeta({ annotations, labels, ...rest }: Partial<ObjectMeta>, path: FieldPath, errors: FieldErrors): void {
  validateAnnotations(annotations, path.child('annotations'), errors);
  validateLabels(labels, path.child('labels'), errors);
  // Upstream names the field after its Go name, whose first letter alone it makes small.
  for (const [field, value] of Object.entries(rest))
    if (isSet(value)) errors.forbidden(path.child(field === 'uid' ? 'uID' : field), 'cannot be set');
}

/** What claims are made from. */
export function validatePersistentVolumeClaimTemplate(template: PersistentVolumeClaimTemplate, path: FieldPath, errors: FieldErrors): void {
  validateTemplateMeta(template.metadata ?? {}, path.child('metadata'), errors);
  validatePersistentVolumeClaimSpec(template.spec ?? {}, path.child('spec'), errors);
}
