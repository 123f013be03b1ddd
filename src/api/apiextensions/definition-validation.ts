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
import { caBundleProblem, validateWebhookLocation } from '../webhook-client-config.ts';
import { validateRules } from './rule-definitions.ts';
import { anywhere } from './schema-parts.ts';
import { structuralProblems, validateSchema } from './structural-schema.ts';

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

function validateDeprecation(
  { deprecated, deprecationWarning: text }: CustomResourceDefinitionVersion,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (text === undefined) return;
  const refuse = (why: string) => errors.invalid(path, text, why);
  if (!deprecated) {
    refuse('can only be set for deprecated versions');
    return;
  }
  if (byteLength(text) > maxDeprecationWarning) refuse(`must be <= ${maxDeprecationWarning} characters long`);
  if (text === '') refuse('must not be an empty string');
  const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(text);
  if (unprintable)
    refuse(
      `must only contain printable UTF-8 characters; non-printable character found at index ${byteLength(text.slice(0, unprintable.index))}`,
    );
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
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.invalid(versionsPath.index(i), version, 'duplicate version');
    else for (const message of isDns1035Label(version)) errors.invalid(versionsPath.index(i), version, message);
  if (versions.length > 0 && !versions.some((v) => v === 'v1' || v === 'v1beta1'))
    errors.ratcheting(() => errors.invalid(versionsPath, versions, 'must include at least one of v1, v1beta1'), 'known review versions');
}

function validateSimplePath(text: string, path: FieldPath, errors: FieldErrors): boolean {
  if (text === '') errors.invalid(path, text, 'must not be empty');
  else if (!text.startsWith('.')) errors.invalid(path, text, 'must be a simple json path starting with .');
  else return true;
  return false;
}

function validateSubresources({ scale }: CustomResourceSubresources, path: FieldPath, errors: FieldErrors): void {
  if (!scale) return;
  const below = (text: string | undefined, at: FieldPath, roots: readonly string[]) => {
    if (text === undefined || text === '' || !validateSimplePath(text, at, errors)) return;
    const which = roots.length > 1 ? `either ${roots.join(' or ')}` : roots[0];
    if (!roots.some((root) => text.startsWith(`${root}.`))) errors.invalid(at, text, `should be a json path under ${which}`);
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
  // As upstream's internal type calls it. What else is wrong with a path shows in the column.
  const at = path.child('JSONPath');
  if (!jsonPath) errors.required(at);
  else validateSimplePath(jsonPath, at, errors);
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
  const seen = new Set<string>();
  for (const [i, { jsonPath = '' }] of fields.entries()) {
    const at = path.index(i).child('jsonPath');
    if (jsonPath === '') {
      errors.required(at);
      continue;
    }
    const found = schemaAt(schema, jsonPath);
    const ofMetadata = /^\.metadata(\.|$)/.test(jsonPath);
    if (!found && !ofMetadata) {
      errors.invalid(at, jsonPath, 'is an invalid path: does not refer to a valid field');
      continue;
    }
    if (ofMetadata) errors.invalid(at, jsonPath, 'must not point to fields in metadata');
    if (!['string', 'boolean', 'integer'].includes(found?.type ?? ''))
      errors.invalid(
        at,
        jsonPath,
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      );
    if (seen.has(jsonPath)) errors.duplicate(at, jsonPath);
    seen.add(jsonPath);
  }
  if (seen.size > maxSelectableFields)
    errors.ratcheting(() => errors.tooMany(path, seen.size, maxSelectableFields), `selectable fields: ${JSON.stringify(fields)}`);
}

interface Said<T> {
  value: T;
  path: FieldPath;
  version: CustomResourceDefinitionVersion;
  /** Which version says so; undefined: all do. */
  index?: number;
}

/** What all versions say alike is named, as in older versions of the API, once at the top. */
function placesOf<T>(
  versions: readonly CustomResourceDefinitionVersion[],
  read: (version: CustomResourceDefinitionVersion) => T | undefined,
  top: FieldPath,
  below: (version: FieldPath) => FieldPath,
): Said<T>[] {
  const [first, ...others] = versions;
  if (!first) return [];
  const shared = read(first);
  if (others.every((v) => deepEqual(read(v) ?? null, shared ?? null)))
    return shared === undefined ? [] : [{ value: shared, path: top, version: first }];
  return versions.flatMap((version, i) => {
    const value = read(version);
    return value === undefined ? [] : [{ value, path: below(specPath.child('versions').index(i)), version, index: i }];
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
 * The expressions of rules, in schemas with a valid structure and valid defaults. What a version that has not changed may cost was found
 * right, or nobody minded, when it was stored.
 */
export function validateDefinitionRules(
  { spec }: CustomResourceDefinition,
  prev: CustomResourceDefinition | undefined,
  errors: FieldErrors,
): void {
  for (const { value, path, version } of schemasOf(spec.versions)) {
    const wrongFields = errors.list.map(({ field }) => field).filter((field) => field.startsWith(`${path}.`));
    if (structuralProblems(value, path).length > 0 || wrongFields.some((field) => /\.default\b/.test(field))) continue;
    const before = prev?.spec.versions.find(({ name }) => name === version.name)?.schema?.openAPIV3Schema;
    validateRules(value, path, errors, { unchanged: before !== undefined && deepEqual(before, value), wrongFields });
  }
}

/** The parts that a version says by itself, or (without an index) all say alike. */
function validateParts(
  { versions, preserveUnknownFields }: CustomResourceDefinitionSpec,
  index: number | undefined,
  errors: FieldErrors,
): void {
  const mine = <T>(said: readonly Said<T>[]) => said.filter((one) => one.index === index);
  const hasStatus = (version: CustomResourceDefinitionVersion) => version.subresources?.status !== undefined;
  for (const { value, path, version } of mine(schemasOf(versions)))
    validateSchema(value, path, errors, {
      statusSubresource: index === undefined ? versions.some(hasStatus) : hasStatus(version),
      mayStayUnstructured: preserveUnknownFields === true && !someSchema(versions, needsStructure),
    });
  const subresources = placesOf(
    versions,
    (v) => v.subresources,
    specPath.child('subresources'),
    (at) => at.child('subresources'),
  );
  for (const { value, path } of mine(subresources)) validateSubresources(value, path, errors);
  const columns = placesOf(
    versions,
    (v) => v.additionalPrinterColumns,
    specPath.child('additionalPrinterColumns'),
    (at) => at.child('additionalPrinterColumns'),
  );
  for (const { value, path } of mine(columns)) for (const [i, column] of value.entries()) validateColumn(column, path.index(i), errors);
  const selectable = placesOf(
    versions,
    (v) => v.selectableFields,
    specPath.child('selectableFields'),
    (at) => at.child('selectableFields'),
  );
  for (const { value, path, version } of mine(selectable)) validateSelectableFields(value, version.schema?.openAPIV3Schema, path, errors);
}

function validateVersions(spec: CustomResourceDefinitionSpec, errors: FieldErrors): void {
  const { versions } = spec;
  const at = specPath.child('versions');
  for (const [i, version] of versions.entries())
    if (!version.schema?.openAPIV3Schema) {
      const refuse = () => errors.required(at.index(i).child('schema', 'openAPIV3Schema'));
      // Without one, what is served has no fields left if unknown ones go.
      if (version.served && !spec.preserveUnknownFields) refuse();
      else errors.ratcheting(refuse, 'schemas');
    }
  for (const [i, version] of versions.entries()) {
    const problems = isDns1035Label(version.name ?? '');
    if (problems.length > 0) errors.invalid(at.index(i).child('name'), version.name ?? '', problems.join(','));
    validateDeprecation(version, at.index(i).child('deprecationWarning'), errors);
    validateParts(spec, i, errors);
  }
  if (new Set(versions.map((v) => v.name)).size < versions.length) errors.invalid(at, versions, 'must contain unique version names');
  if (versions.filter((v) => v.storage).length !== 1)
    errors.invalid(at, versions, 'must have exactly one version marked as storage version');
  // Older versions of the API named the first version by itself.
  const first = versions[0]?.name;
  const problems = first ? isDns1035Label(first) : [];
  if (problems.length > 0) errors.invalid(specPath.child('version'), first, problems.join(','));
}

const hasDefaults = (schema: JSONSchemaProps): boolean => anywhere(schema, (part) => part.default !== undefined);

/** Whether a schema has defaults or extensions, which no schema without a structure can have. */
const needsStructure = (schema: JSONSchemaProps): boolean =>
  anywhere(schema, (part) =>
    Object.entries(part).some(([key, value]) => value !== undefined && (key === 'default' || key.startsWith('x-kubernetes-'))),
  );

const someSchema = (versions: readonly CustomResourceDefinitionVersion[], isSuch: (schema: JSONSchemaProps) => boolean): boolean =>
  versions.some(({ schema }) => schema?.openAPIV3Schema !== undefined && isSuch(schema.openAPIV3Schema));

export function validateStatus({ status }: CustomResourceDefinition, errors: FieldErrors): void {
  if (status?.acceptedNames) validateNames(status.acceptedNames, new FieldPath('status').child('acceptedNames'), errors);
}

export function validateDefinition(definition: CustomResourceDefinition, errors: FieldErrors): void {
  const { spec } = definition;
  const names = spec.names ?? { plural: '', kind: '' };
  validateGroupAndScope(spec, errors);
  if (spec.preserveUnknownFields && someSchema(spec.versions, hasDefaults))
    errors.invalid(specPath.child('preserveUnknownFields'), true, 'must be false in order to use defaults in the schema');
  validateVersions(spec, errors);
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const)
    if (!names[field]) errors.required(specPath.child('names', field));
  validateNames(names, specPath.child('names'), errors);
  validateParts(spec, undefined, errors);
  if (spec.preserveUnknownFields && spec.conversion && spec.conversion.strategy !== 'None')
    errors.invalid(
      specPath.child('conversion', 'strategy'),
      spec.conversion.strategy,
      'must be None if spec.preserveUnknownFields is true',
    );
  validateConversion(spec.conversion, errors);
  validateStatus(definition, errors);
  if (spec.preserveUnknownFields)
    errors.ratcheting(() =>
      errors.invalid(
        specPath.child('preserveUnknownFields'),
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
}

/** A definition's name says what it defines. */
export function validateDefinitionName({ metadata, spec }: CustomResourceDefinition, errors: FieldErrors): void {
  if (metadata.name && metadata.name !== `${spec.names?.plural}.${spec.group}`)
    errors.invalid(new FieldPath('metadata').child('name'), metadata.name, 'must be spec.names.plural+"."+spec.group');
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
    if (conversionBundleProblem(prev) === undefined) validateConversionBundle(next, errors);
  }
  validateImmutable(next.spec.group, prev.spec.group, specPath.child('group'), errors);
  validateImmutable(next.spec.names.plural, prev.spec.names.plural, names.child('plural'), errors);
}

/** Why conversion requests can't be sent with the definition's bundle of certificates. */
export function conversionBundleProblem({ spec }: CustomResourceDefinition): string | undefined {
  return caBundleProblem(spec.conversion?.webhook?.clientConfig?.caBundle);
}

function validateConversionBundle(definition: CustomResourceDefinition, errors: FieldErrors): void {
  const problem = conversionBundleProblem(definition);
  const bundle = definition.spec.conversion?.webhook?.clientConfig?.caBundle;
  if (problem !== undefined) errors.invalid(specPath.child('conversion', 'webhookClientConfig', 'caBundle'), bundle, problem);
}

/** Objects may still lie in the store in these versions: a definition can't drop them. */
export function validateStoredVersions({ spec, status }: CustomResourceDefinition, errors: FieldErrors): void {
  const path = new FieldPath('status').child('storedVersions');
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0) {
    errors.invalid(path, stored, 'must have at least one stored version');
    return;
  }
  for (const { name, storage } of spec.versions)
    if (storage && !stored.includes(name)) errors.invalid(path, stored, `must have the storage version ${name}`);
  for (const [i, name] of stored.entries())
    if (!spec.versions.some((v) => v.name === name))
      errors.invalid(
        path.index(i),
        name,
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
      );
}
