/** Validation of metadata, options and label selectors (`k8s.io/apimachinery/pkg/api/validation`, `.../apis/meta/v1/validation`). */

import { semanticEqual } from './equality.ts';
import { type FieldErrors, FieldPath } from './fields.ts';
import type {
  Condition,
  LabelSelector,
  LabelSelectorRequirement,
  ManagedFieldsEntry,
  ObjectMeta,
  OwnerReference,
} from './generated/meta.v1.ts';
import { internalForm } from './internal-form.ts';
import {
  byteLength,
  isLabelValue,
  isPathSegmentName,
  isQualifiedName,
  type NameRule,
  nameIsDnsLabel,
  nameIsDnsSubdomain,
  regexMessage,
} from './names.ts';
import { parseApiVersion } from './resource.ts';
import { isSameStruct } from './schema/optional-structs.ts';

const metadataPath = new FieldPath('metadata');
const totalAnnotationBytes = 256 * 1024;

export const fieldImmutable = 'field is immutable';

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const key in labels) {
    validateLabelName(key, path, errors);
    for (const message of isLabelValue(labels[key] ?? '')) errors.invalid(path, labels[key], message);
  }
}

export function validateLabelName(name: string, path: FieldPath, errors: FieldErrors): void {
  for (const message of isQualifiedName(name)) errors.invalid(path, name, message);
}

export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const key in annotations) for (const message of isQualifiedName(key.toLowerCase())) errors.invalid(path, key, message);
  if (areAnnotationsTooLong(annotations)) errors.tooLong(path, totalAnnotationBytes);
}

/** Whether annotations are more than an object may have, keys and values taken together. */
export function areAnnotationsTooLong(annotations: Readonly<Record<string, string>> | undefined): boolean {
  let bytes = 0;
  for (const key in annotations) bytes += byteLength(key) + byteLength(annotations[key] ?? '');
  return bytes > totalAnnotationBytes;
}

function validateOwnerReference(owner: OwnerReference, path: FieldPath, errors: FieldErrors): void {
  const apiVersion = owner.apiVersion ?? '';
  // More than a group and a version is neither.
  const { group, version } = parseApiVersion(apiVersion.split('/').length > 2 ? '' : apiVersion);
  if (version === '') errors.invalid(path.child('apiVersion'), owner.apiVersion ?? '', 'version must not be empty');
  for (const field of ['kind', 'name', 'uid'] as const) if (!owner[field]) errors.invalid(path.child(field), '', 'must not be empty');
  if (group === '' && version === 'v1' && owner.kind === 'Event')
    errors.invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner');
}

export function validateOwnerReferences(owners: readonly OwnerReference[] | undefined, path: FieldPath, errors: FieldErrors): void {
  let controller = '';
  for (const owner of owners ?? []) {
    validateOwnerReference(owner, path, errors);
    if (!owner.controller) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller === '') controller = name;
    else
      errors.invalid(
        path,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
      );
  }
}

/** Finalizers are qualified names; `orphan` and `foregroundDeletion` exclude each other. */
export function validateFinalizers(finalizers: readonly string[] | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const finalizer of finalizers ?? []) for (const message of isQualifiedName(finalizer)) errors.invalid(path, finalizer, message);
  if (finalizers?.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

/** Finalizers of built-in kinds have a domain, or are the server's own. */
export function requireStandardFinalizer(finalizer: string, path: FieldPath, errors: FieldErrors): void {
  if (!finalizer.includes('/') && !standardFinalizers.includes(finalizer))
    errors.invalid(path, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
}

/** Groups whose kinds, as custom resources, take finalizers without a domain as well. */
const looseGroups = new Set(['admissionregistration.k8s.io', 'apiextensions.k8s.io', 'apiregistration.k8s.io']);

/** `requireStandardFinalizer` on each finalizer, where the kind demands it. */
export function validateStandardFinalizers(
  kind: { custom?: unknown; resource: { group: string } },
  finalizers: readonly string[] | undefined,
  errors: FieldErrors,
): void {
  if (!finalizers || kind.custom !== undefined || looseGroups.has(kind.resource.group)) return;
  const path = metadataPath.child('finalizers');
  for (const [i, finalizer] of finalizers.entries()) requireStandardFinalizer(finalizer, path.index(i), errors);
}

const printableAscii = /^[ -~]*$/;

/** A client's name in managedFields: printable, at most 128 bytes. */
export function validateFieldManager(manager: string, path: FieldPath, errors: FieldErrors): void {
  // Nearly all are a few letters.
  if (manager.length <= 128 && printableAscii.test(manager)) return;
  if (byteLength(manager) > 128) errors.tooLong(path, 128);
  let position = 0;
  for (const char of manager) {
    if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(char)) {
      const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      errors.invalid(path, manager, `invalid character U+${code} (at position ${position})`);
    }
    position += byteLength(char);
  }
}

export function validateManagedFields(entries: readonly ManagedFieldsEntry[] | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const [i, entry] of (entries ?? []).entries()) {
    const at = path.index(i);
    if (entry.operation !== 'Apply' && entry.operation !== 'Update')
      errors.invalid(at.child('operation'), entry.operation ?? '', 'must be `Apply` or `Update`');
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1') errors.invalid(at.child('fieldsType'), entry.fieldsType, 'must be `FieldsV1`');
    validateFieldManager(entry.manager ?? '', at.child('manager'), errors);
    if (byteLength(entry.subresource ?? '') > 256) errors.tooLong(at.child('subresource'), 256);
  }
}

export interface ObjectMetaRules {
  namespaced: boolean;
  /** Default: a DNS-1123 subdomain. */
  nameRule?: NameRule | undefined;
}

/** Validates metadata on create, after a name has been generated. */
export function validateObjectMeta(
  meta: Partial<ObjectMeta>,
  rules: ObjectMetaRules,
  errors: FieldErrors,
  path: FieldPath = metadataPath,
): void {
  const nameRule = rules.nameRule ?? nameIsDnsSubdomain;
  if (meta.generateName)
    for (const message of nameRule(meta.generateName, true)) errors.invalid(path.child('generateName'), meta.generateName, message);
  if (!meta.name) errors.required(path.child('name'), 'name or generateName is required');
  else for (const message of nameRule(meta.name, false)) errors.invalid(path.child('name'), meta.name, message);
  if (rules.namespaced) {
    if (!meta.namespace) errors.required(path.child('namespace'));
    else for (const message of nameIsDnsLabel(meta.namespace, false)) errors.invalid(path.child('namespace'), meta.namespace, message);
  } else if (meta.namespace) errors.forbidden(path.child('namespace'), 'not allowed on this type');
  if ((meta.generation ?? 0) < 0) errors.invalid(path.child('generation'), meta.generation, 'must be greater than or equal to 0');
  validateLabels(meta.labels, path.child('labels'), errors);
  validateAnnotations(meta.annotations, path.child('annotations'), errors);
  validateOwnerReferences(meta.ownerReferences, path.child('ownerReferences'), errors);
  validateFinalizers(meta.finalizers, path.child('finalizers'), errors);
  validateManagedFields(meta.managedFields, path.child('managedFields'), errors);
}

/**
 * What upstream asks of the metadata in every update, before the kind does: some of it is said twice. Parts shared with `prev` by reference
 * are known to be valid.
 */
export function validateCommonMeta(next: Partial<ObjectMeta>, prev: Partial<ObjectMeta>, errors: FieldErrors): void {
  const at = (field: string) => metadataPath.child(field);
  const { generateName } = next;
  if (generateName && generateName !== prev.generateName) {
    for (const message of isPathSegmentName(generateName, true)) errors.invalid(at('generateName'), generateName, message);
  }
  if (next.labels !== prev.labels) validateLabels(next.labels, at('labels'), errors);
  if (next.annotations !== prev.annotations) validateAnnotations(next.annotations, at('annotations'), errors);
  if (next.ownerReferences !== prev.ownerReferences) validateOwnerReferences(next.ownerReferences, at('ownerReferences'), errors);
  if (next.finalizers !== prev.finalizers) validateFinalizers(next.finalizers, at('finalizers'), errors);
  if (next.managedFields !== prev.managedFields) validateManagedFields(next.managedFields, at('managedFields'), errors);
}

/**
 * What an update may not change of a field: reports `field is immutable` when it did. `typeName` is that of a struct of the table, which is
 * shown in upstream's internal form.
 */
export function validateImmutable(next: unknown, prev: unknown, path: FieldPath, errors: FieldErrors, typeName?: string): void {
  if (typeName === undefined) {
    if (!semanticEqual(next, prev)) errors.invalid(path, next, fieldImmutable);
  } else if ((next === undefined) !== (prev === undefined) || !isSameStruct(typeName, next, prev))
    errors.invalid(path, internalForm(typeName, next), fieldImmutable);
}

const immutableInMeta = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const;

/** A Go `%#v` of a list of strings, as the message about new finalizers has it. */
const goStrings = (list: readonly string[]) => `[]string{${list.map((s) => JSON.stringify(s)).join(', ')}}`;

/** Validates metadata on update. Parts shared with `prev` by reference are known to be valid and are skipped. */
export function validateObjectMetaUpdate(
  next: Partial<ObjectMeta>,
  prev: Partial<ObjectMeta>,
  errors: FieldErrors,
  path: FieldPath = metadataPath,
): void {
  if (prev.deletionTimestamp) {
    const added = (next.finalizers ?? []).filter((f) => !prev.finalizers?.includes(f)).sort();
    if (added.length > 0)
      errors.forbidden(
        path.child('finalizers'),
        `no new finalizers can be added if the object is being deleted, found new finalizers ${goStrings(added)}`,
      );
  }
  if (!next.resourceVersion) errors.invalid(path.child('resourceVersion'), '', 'must be specified for an update');
  if ((next.generation ?? 0) < (prev.generation ?? 0))
    errors.invalid(path.child('generation'), next.generation ?? 0, 'must not be decremented');
  for (const field of immutableInMeta) validateImmutable(next[field], prev[field], path.child(field), errors);
  if (next.labels !== prev.labels) validateLabels(next.labels, path.child('labels'), errors);
  if (next.annotations !== prev.annotations) validateAnnotations(next.annotations, path.child('annotations'), errors);
  if (next.ownerReferences !== prev.ownerReferences) validateOwnerReferences(next.ownerReferences, path.child('ownerReferences'), errors);
  if (next.managedFields !== prev.managedFields) validateManagedFields(next.managedFields, path.child('managedFields'), errors);
}

export function validateLabelSelectorRequirement(
  { key, operator, values }: LabelSelectorRequirement,
  path: FieldPath,
  errors: FieldErrors,
  { allowUnknownOperators = false } = {},
): void {
  if (operator === 'In' || operator === 'NotIn') {
    if (!values?.length) errors.required(path.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values?.length) errors.forbidden(path.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (!allowUnknownOperators) errors.invalid(path.child('operator'), operator ?? '', 'not a valid selector operator');
  validateLabelName(key ?? '', path.child('key'), errors);
  for (const [i, value] of (values ?? []).entries())
    for (const message of isLabelValue(value))
      errors.ratcheting(() => errors.invalid(path.child('values').index(i), value, message), 'label values of selectors');
}

export function validateLabelSelector(selector: LabelSelector | undefined | null, path: FieldPath, errors: FieldErrors): void {
  if (!selector) return;
  validateLabels(selector.matchLabels, path.child('matchLabels'), errors);
  for (const [i, expression] of (selector.matchExpressions ?? []).entries())
    validateLabelSelectorRequirement(expression, path.child('matchExpressions').index(i), errors);
}

const conditionStatuses = ['False', 'True', 'Unknown'];
const conditionReasonPattern = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const conditionReasonMessage = regexMessage(
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
  conditionReasonPattern,
  'my_name',
  'MY_NAME',
  'MyName',
  'ReasonA,ReasonB',
  'ReasonA:ReasonB',
);
const conditionReason = new RegExp(`^${conditionReasonPattern}$`);

/** Validates `meta/v1` conditions: types unique, reasons well formed. */
export function validateConditions(conditions: readonly Condition[] | undefined, path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, condition] of (conditions ?? []).entries()) {
    const at = path.index(i);
    const type = condition.type ?? '';
    if (seen.has(type)) errors.duplicate(at.child('type'), type);
    seen.add(type);
    validateLabelName(type, at.child('type'), errors);
    if (!conditionStatuses.includes(condition.status)) errors.notSupported(at.child('status'), condition.status ?? '', conditionStatuses);
    if ((condition.observedGeneration ?? 0) < 0)
      errors.invalid(at.child('observedGeneration'), condition.observedGeneration, 'must be greater than or equal to zero');
    if (!condition.lastTransitionTime) errors.required(at.child('lastTransitionTime'));
    if (!condition.reason) errors.required(at.child('reason'));
    else if (!conditionReason.test(condition.reason)) errors.invalid(at.child('reason'), condition.reason, conditionReasonMessage);
    if (byteLength(condition.reason ?? '') > 1024) errors.tooLong(at.child('reason'), 1024);
    if (byteLength(condition.message ?? '') > 32768) errors.tooLong(at.child('message'), 32768);
  }
}
