/** What makes a CustomResourceDefinition valid (`k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`). */

import { deepEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
  SelectableField,
} from '../generated/apiextensions.v1.ts';
import { byteLength, isDns1035Label, isDns1123Subdomain } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { validateWebhookLocation } from '../webhook-client-config.ts';
import { compileJsonPath, JsonPathError } from './json-path.ts';
import { validateRules } from './rule-definitions.ts';
import { validateSchema } from './structural-schema.ts';

const specPath = new FieldPath('spec');
const maxSelectableFields = 8;
const maxDeprecationWarning = 256;

function validateNames(names: CustomResourceDefinitionNames, path: FieldPath, errors: FieldErrors): void {
  const label = (value: string, at: FieldPath, hint = '') => {
    const problems = value === '' ? [] : isDns1035Label(hint === '' ? value : value.toLowerCase());
    if (problems.length > 0) errors.invalid(at, value, hint + problems.join(','));
  };
  const mixedCase = 'may have mixed case, but should otherwise match: ';
  label(names.plural ?? '', path.child('plural'));
  label(names.singular ?? '', path.child('singular'));
  label(names.kind ?? '', path.child('kind'), mixedCase);
  label(names.listKind ?? '', path.child('listKind'), mixedCase);
  for (const [i, name] of (names.shortNames ?? []).entries()) label(name, path.child('shortNames').index(i));
  if (names.kind && names.kind === names.listKind)
    errors.invalid(path.child('listKind'), names.listKind, 'kind and listKind may not be the same');
  for (const [i, name] of (names.categories ?? []).entries()) label(name, path.child('categories').index(i));
}

function validateGroupAndScope(spec: CustomResourceDefinitionSpec, errors: FieldErrors): void {
  const at = specPath.child('group');
  const problems = isDns1123Subdomain(spec.group ?? '');
  if (!spec.group) errors.required(at);
  else if (problems.length > 0) errors.invalid(at, spec.group, problems.join(','));
  else if (!spec.group.includes('.')) errors.invalid(at, spec.group, 'should be a domain with at least one dot');
  const { scope } = spec;
  if (!scope) errors.required(specPath.child('scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced') errors.notSupported(specPath.child('scope'), scope, ['Cluster', 'Namespaced']);
}

function validateVersionNames({ versions }: CustomResourceDefinitionSpec, errors: FieldErrors): void {
  const at = specPath.child('versions');
  for (const [i, version] of versions.entries()) {
    const problems = isDns1035Label(version.name ?? '');
    if (problems.length > 0) errors.invalid(at.index(i).child('name'), version.name ?? '', problems.join(','));
    if (version.deprecationWarning === undefined) continue;
    const warningPath = at.index(i).child('deprecationWarning');
    if (!version.deprecated) errors.invalid(warningPath, version.deprecationWarning, 'can only be set for deprecated versions');
    if (version.deprecationWarning === '') errors.invalid(warningPath, '', 'must not be an empty string');
    if (byteLength(version.deprecationWarning) > maxDeprecationWarning)
      errors.invalid(warningPath, version.deprecationWarning, `must be <= ${maxDeprecationWarning} characters long`);
  }
  if (new Set(versions.map((v) => v.name)).size < versions.length) errors.invalid(at, versions, 'must contain unique version names');
  if (versions.filter((v) => v.storage).length !== 1)
    errors.invalid(at, versions, 'must have exactly one version marked as storage version');
}

function validateConversion(conversion: CustomResourceConversion | undefined, errors: FieldErrors): void {
  if (!conversion) return;
  const at = specPath.child('conversion');
  const { strategy, webhook } = conversion;
  if (!strategy) errors.required(at.child('strategy'));
  else if (strategy !== 'None' && strategy !== 'Webhook') errors.notSupported(at.child('strategy'), strategy, ['None', 'Webhook']);
  if (strategy !== 'Webhook') {
    if (webhook?.clientConfig) errors.forbidden(at.child('webhookClientConfig'), 'should not be set when strategy is not set to Webhook');
    if (webhook?.conversionReviewVersions?.length)
      errors.forbidden(at.child('conversionReviewVersions'), 'should not be set when strategy is not set to Webhook');
    return;
  }
  const config = webhook?.clientConfig;
  const configPath = at.child('webhookClientConfig');
  if (!config) errors.required(configPath, 'required when strategy is set to Webhook');
  else validateWebhookLocation(config, configPath, errors);
  const versions = webhook?.conversionReviewVersions ?? [];
  const versionsPath = at.child('conversionReviewVersions');
  if (versions.length === 0) errors.required(versionsPath);
  else if (!versions.some((v) => v === 'v1' || v === 'v1beta1'))
    errors.invalid(versionsPath, versions, 'must include at least one of v1, v1beta1');
}

function validateSimplePath(text: string, path: FieldPath, errors: FieldErrors): boolean {
  if (text === '') errors.invalid(path, text, 'must not be empty');
  else if (!text.startsWith('.')) errors.invalid(path, text, 'must be a simple json path starting with .');
  else if (/[[\]*@]|\.\./.test(text)) errors.invalid(path, text, 'must be a simple json path');
  else return true;
  return false;
}

function validateSubresources({ scale }: CustomResourceSubresources, path: FieldPath, errors: FieldErrors): void {
  if (!scale) return;
  const below = (text: string | undefined, at: FieldPath, roots: readonly string[]) => {
    if (text === undefined || text === '' || !validateSimplePath(text, at, errors)) return;
    if (!roots.some((root) => text.startsWith(`${root}.`))) errors.invalid(at, text, `should be a json path under ${roots.join(' or ')}`);
  };
  if (!scale.specReplicasPath) errors.required(path.child('scale.specReplicasPath'));
  below(scale.specReplicasPath, path.child('scale.specReplicasPath'), ['.spec']);
  if (!scale.statusReplicasPath) errors.required(path.child('scale.statusReplicasPath'));
  below(scale.statusReplicasPath, path.child('scale.statusReplicasPath'), ['.status']);
  below(scale.labelSelectorPath, path.child('scale.labelSelectorPath'), ['.spec', '.status']);
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function validateColumn(column: CustomResourceColumnDefinition, path: FieldPath, errors: FieldErrors): void {
  const { name, type, format, jsonPath } = column;
  if (!name) errors.required(path.child('name'));
  if (!type) errors.required(path.child('type'), `must be one of ${columnTypes.join(',')}`);
  else if (!columnTypes.includes(type)) errors.invalid(path.child('type'), type, `must be one of ${columnTypes.join(',')}`);
  if (format && !columnFormats.includes(format)) errors.invalid(path.child('format'), format, `must be one of ${columnFormats.join(',')}`);
  const at = path.child('jsonPath');
  if (!jsonPath) {
    errors.required(at);
    return;
  }
  if (!jsonPath.startsWith('.')) errors.invalid(at, jsonPath, 'must be a simple json path starting with .');
  else
    try {
      compileJsonPath(jsonPath);
    } catch (error) {
      if (!(error instanceof JsonPathError)) throw error;
      errors.invalid(at, jsonPath, `is not a valid json path: ${error.message}`);
    }
}

/** The schema that a simple path leads to. */
function schemaAt(schema: JSONSchemaProps | undefined, path: string): JSONSchemaProps | undefined {
  let at = schema;
  for (const name of path.slice(1).split('.')) at = at?.properties?.[name];
  return at;
}

function validateSelectableFields(
  fields: readonly SelectableField[],
  schema: JSONSchemaProps | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (fields.length > maxSelectableFields) errors.tooMany(path, fields.length, maxSelectableFields);
  const seen = new Set<string>();
  for (const [i, { jsonPath = '' }] of fields.entries()) {
    const at = path.index(i).child('jsonPath');
    if (jsonPath === '') {
      errors.required(at);
      continue;
    }
    if (!validateSimplePath(jsonPath, at, errors)) continue;
    const found = schemaAt(schema, jsonPath);
    if (/^\.metadata(\.|$)/.test(jsonPath)) errors.invalid(at, jsonPath, 'must not point to fields in metadata');
    else if (!found) errors.invalid(at, jsonPath, 'is an invalid path: does not refer to a valid field');
    else if (!['string', 'boolean', 'integer'].includes(found.type ?? ''))
      errors.invalid(
        at,
        jsonPath,
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      );
    if (seen.has(jsonPath)) errors.duplicate(at, jsonPath);
    seen.add(jsonPath);
  }
}

/** What all versions say alike is named, as in older versions of the API, once at the top. */
function placesOf<T>(
  versions: readonly CustomResourceDefinitionVersion[],
  read: (version: CustomResourceDefinitionVersion) => T | undefined,
  top: FieldPath,
  below: (version: FieldPath) => FieldPath,
): { value: T; path: FieldPath; version: CustomResourceDefinitionVersion }[] {
  const [first, ...others] = versions;
  if (!first) return [];
  const shared = read(first);
  if (others.every((v) => deepEqual(read(v) ?? null, shared ?? null)))
    return shared === undefined ? [] : [{ value: shared, path: top, version: first }];
  return versions.flatMap((version, i) => {
    const value = read(version);
    return value === undefined ? [] : [{ value, path: below(specPath.child('versions').index(i)), version }];
  });
}

const schemasOf = (versions: readonly CustomResourceDefinitionVersion[]) =>
  placesOf(
    versions,
    (v) => v.schema?.openAPIV3Schema,
    specPath.child('validation', 'openAPIV3Schema'),
    (at) => at.child('schema', 'openAPIV3Schema'),
  );

/**
 * The expressions of rules, in schemas that are otherwise valid. What a version that has not changed may cost was found right, or nobody
 * minded, when it was stored.
 */
export function validateDefinitionRules(
  { spec }: CustomResourceDefinition,
  prev: CustomResourceDefinition | undefined,
  errors: FieldErrors,
): void {
  for (const { value, path, version } of schemasOf(spec.versions)) {
    if (errors.list.some(({ field }) => field.startsWith(path.toString()))) continue;
    const before = prev?.spec.versions.find(({ name }) => name === version.name)?.schema?.openAPIV3Schema;
    validateRules(value, path, errors, { unchanged: before !== undefined && deepEqual(before, value) });
  }
}

function validateVersions(spec: CustomResourceDefinitionSpec, errors: FieldErrors): void {
  const { versions } = spec;
  for (const [i, version] of versions.entries())
    if (!version.schema?.openAPIV3Schema)
      errors.required(specPath.child('versions').index(i).child('schema', 'openAPIV3Schema'), 'schemas are required');
  for (const { value, path, version } of schemasOf(versions))
    validateSchema(value, path, errors, { statusSubresource: version.subresources?.status !== undefined });
  for (const { value, path } of placesOf(
    versions,
    (v) => v.subresources,
    specPath.child('subresources'),
    (at) => at.child('subresources'),
  ))
    validateSubresources(value, path, errors);
  for (const { value, path } of placesOf(
    versions,
    (v) => v.additionalPrinterColumns,
    specPath.child('additionalPrinterColumns'),
    (at) => at.child('additionalPrinterColumns'),
  ))
    for (const [i, column] of value.entries()) validateColumn(column, path.index(i), errors);
  for (const { value, path, version } of placesOf(
    versions,
    (v) => v.selectableFields,
    specPath.child('selectableFields'),
    (at) => at.child('selectableFields'),
  ))
    validateSelectableFields(value, version.schema?.openAPIV3Schema, path, errors);
}

export function validateStatus({ status }: CustomResourceDefinition, errors: FieldErrors): void {
  if (status?.acceptedNames) validateNames(status.acceptedNames, new FieldPath('status').child('acceptedNames'), errors);
}

export function validateDefinition(definition: CustomResourceDefinition, errors: FieldErrors): void {
  const { metadata, spec } = definition;
  const names = spec.names ?? { plural: '', kind: '' };
  if (metadata.name !== `${names.plural}.${spec.group}`)
    errors.invalid(new FieldPath('metadata').child('name'), metadata.name, 'must be spec.names.plural+"."+spec.group');
  validateGroupAndScope(spec, errors);
  if (spec.preserveUnknownFields)
    errors.invalid(specPath.child('preserveUnknownFields'), true, 'must be false in order to use defaults in the schema');
  validateVersionNames(spec, errors);
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const)
    if (!names[field]) errors.required(specPath.child('names', field));
  validateNames(names, specPath.child('names'), errors);
  validateVersions(spec, errors);
  validateConversion(spec.conversion, errors);
  validateStatus(definition, errors);
}

const approvalAnnotation = 'api-approved.kubernetes.io';

/** Groups below Kubernetes' own domains are for APIs that Kubernetes' reviewers have approved (KEP-1111). */
export function validateApproval({ metadata, spec }: CustomResourceDefinition, errors: FieldErrors): void {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group ?? '')) return;
  const path = new FieldPath('metadata').child('annotations').key(approvalAnnotation);
  const approval = metadata.annotations?.[approvalAnnotation] ?? '';
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (approval === '') errors.required(path, `protected groups must have approval annotation "${approvalAnnotation}", ${see}`);
  else if (!approval.startsWith('unapproved') && !URL.canParse(approval))
    errors.invalid(
      path,
      approval,
      `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved", ${see}`,
    );
}

export function validateDefinitionUpdate(
  next: CustomResourceDefinition,
  prev: CustomResourceDefinition,
  established: boolean,
  errors: FieldErrors,
): void {
  const names = specPath.child('names');
  if (established) {
    // These affect how objects are stored.
    validateImmutable(next.spec.scope, prev.spec.scope, specPath.child('scope'), errors);
    validateImmutable(next.spec.names.kind, prev.spec.names.kind, names.child('kind'), errors);
  }
  validateImmutable(next.spec.group, prev.spec.group, specPath.child('group'), errors);
  validateImmutable(next.spec.names.plural, prev.spec.names.plural, names.child('plural'), errors);
}

/** Objects may still lie in the store in these versions: a definition can't drop them. */
export function validateStoredVersions({ spec, status }: CustomResourceDefinition, errors: FieldErrors): void {
  const path = new FieldPath('status').child('storedVersions');
  for (const [i, name] of (status?.storedVersions ?? []).entries())
    if (!spec.versions.some((v) => v.name === name)) errors.invalid(path.index(i), name, 'must appear in spec.versions');
}
