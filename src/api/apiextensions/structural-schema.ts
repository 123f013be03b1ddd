/**
 * What makes a schema structural: every field has its type outside of logic, so that unknown fields can be told from known ones
 * (KEP-1002, `k8s.io/apiextensions-apiserver/pkg/apiserver/schema`).
 */
import { deepEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { patternProblem } from '../regular-expression.ts';
import { validateRuleTexts } from './rule-definitions.ts';
import { applySchemaDefaults } from './schema-defaults.ts';
import { itemSchema, valueSchema } from './schema-parts.ts';
import { pruneToSchema } from './schema-pruning.ts';
import { validateValue } from './schema-validation.ts';

type Level = 'root' | 'item' | 'field';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const listTypes = ['atomic', 'map', 'set'];

const intOrStringAnyOf = [{ type: 'integer' }, { type: 'string' }];
const isIntOrStringAnyOf = (list: unknown) => deepEqual(list ?? null, intOrStringAnyOf);

interface Context {
  errors: FieldErrors;
}

/** Where schemas of OpenAPI v3 may not say all that JSON Schema can. */
function validateDialect(schema: JSONSchemaProps, path: FieldPath, { errors }: Context): void {
  const forbid = (field: string, present: unknown, detail = `${field} is not supported`) => {
    if (present) errors.forbidden(path.child(field), detail);
  };
  forbid('id', schema.id);
  forbid('additionalItems', schema.additionalItems !== undefined);
  forbid('patternProperties', Object.keys(schema.patternProperties ?? {}).length);
  forbid('definitions', Object.keys(schema.definitions ?? {}).length);
  forbid('dependencies', schema.dependencies);
  forbid('$ref', schema.$ref);
  if (schema.type === 'null') errors.forbidden(path.child('type'), 'type cannot be set to null, use nullable as an alternative');
  else if (schema.type && !types.includes(schema.type)) errors.notSupported(path.child('type'), schema.type, types);
  forbid('items', Array.isArray(schema.items), 'items must be a schema object and not an array');
  forbid('uniqueItems', schema.uniqueItems, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic');
  if (schema.additionalProperties !== undefined && schema.properties && Object.keys(schema.properties).length > 0)
    forbid('additionalProperties', schema.additionalProperties !== true, 'additionalProperties and properties are mutual exclusive');
  if (schema.pattern) {
    const problem = patternProblem(schema.pattern);
    if (problem !== undefined)
      errors.invalid(path.child('pattern'), schema.pattern, `must be a valid regular expression, but isn't: ${problem}`);
  }
}

const nestedRules = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
] as const;

/** Below a logic junctor only values may be restricted, and only of fields that the structure has. */
function validateNested(
  schema: JSONSchemaProps,
  structure: JSONSchemaProps | undefined,
  path: FieldPath,
  context: Context,
  skipAnyOf = false,
): void {
  const { errors } = context;
  validateDialect(schema, path, context);
  for (const [field, detail] of nestedRules) if (schema[field]) errors.forbidden(path.child(field), detail);
  if (schema.properties?.metadata) errors.forbidden(path.child('properties').key('metadata'), 'must not be specified in a nested context');
  for (const [name, nested] of Object.entries(schema.properties ?? {})) {
    const known = structure?.properties?.[name];
    const at = path.child('properties').key(name);
    if (structure && !known) errors.required(structureOf(path).child('properties').key(name), `because it is defined in ${at}`);
    validateNested(nested, known, at, context);
  }
  const items = itemSchema(schema);
  if (items) {
    const known = structure && itemSchema(structure);
    if (structure && !known) errors.required(structureOf(path).child('items'), `because it is defined in ${path.child('items')}`);
    validateNested(items, known, path.child('items'), context);
  }
  validateJunctors(schema, structure, path, context, skipAnyOf);
}

/** The place of the structure that a nested path restricts: its junctors taken away. */
const structureOf = (path: FieldPath) => new FieldPath(path.toString().replace(/\.(?:(?:allOf|anyOf|oneOf)\[\d+\]|not)(?=\.|$)/g, ''));

function validateJunctors(
  schema: JSONSchemaProps,
  structure: JSONSchemaProps | undefined,
  path: FieldPath,
  context: Context,
  skipAnyOf: boolean,
): void {
  if (!skipAnyOf)
    for (const [i, nested] of (schema.anyOf ?? []).entries()) validateNested(nested, structure, path.child('anyOf').index(i), context);
  for (const [i, nested] of (schema.allOf ?? []).entries()) {
    const excepted = i === 0 && structure?.['x-kubernetes-int-or-string'] === true && isIntOrStringAnyOf(nested.anyOf);
    validateNested(nested, structure, path.child('allOf').index(i), context, excepted);
  }
  for (const [i, nested] of (schema.oneOf ?? []).entries()) validateNested(nested, structure, path.child('oneOf').index(i), context);
  if (schema.not) validateNested(schema.not, structure, path.child('not'), context);
}

function validateListType(schema: JSONSchemaProps, path: FieldPath, { errors }: Context): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const keysPath = path.child('x-kubernetes-list-map-keys');
  const typePath = path.child('x-kubernetes-list-type');
  if (listType !== undefined) {
    if (schema.type !== 'array') {
      if (!schema.type) errors.required(path.child('type'), 'must be array if x-kubernetes-list-type is specified');
      else errors.invalid(path.child('type'), schema.type, 'must be array if x-kubernetes-list-type is specified');
    }
    if (!listTypes.includes(listType)) errors.notSupported(typePath, listType, listTypes);
  }
  if (keys.length > 0 && listType !== 'map')
    errors.invalid(typePath, listType ?? '', 'must be map if x-kubernetes-list-map-keys is non-empty');
  const items = itemSchema(schema);
  if (listType === 'set' && items?.nullable)
    errors.forbidden(path.child('items', 'nullable'), 'cannot be nullable when x-kubernetes-list-type is set');
  if (listType === 'set' && items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    errors.invalid(
      path.child('items', 'x-kubernetes-map-type'),
      items['x-kubernetes-map-type'] ?? null,
      'must be atomic as item of a list with x-kubernetes-list-type=set',
    );
  if (listType === 'set' && items?.type === 'array' && (items['x-kubernetes-list-type'] ?? 'atomic') !== 'atomic')
    errors.invalid(
      path.child('items', 'x-kubernetes-list-type'),
      items['x-kubernetes-list-type'],
      'must be atomic as item of a list with x-kubernetes-list-type=set',
    );
  if (listType !== 'map') return;
  if (keys.length === 0) errors.required(keysPath, 'must not be empty if x-kubernetes-list-type is map');
  if (!items) return;
  if (items.type !== 'object')
    errors.invalid(path.child('items', 'type'), items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map");
  for (const [i, key] of keys.entries()) {
    const property = items.properties?.[key];
    if (!property) {
      errors.invalid(keysPath.index(i), key, 'entries must all be names of item properties');
      continue;
    }
    const at = path.child('items', 'properties').key(key);
    if (property.type === 'array' || property.type === 'object')
      errors.invalid(at.child('type'), property.type, "must be a scalar type if parent array's x-kubernetes-list-type is map");
    if (property.default === undefined && !items.required?.includes(key))
      errors.required(
        at.child('default'),
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      );
  }
  if (new Set(keys).size < keys.length) errors.duplicate(keysPath, keys, 'must not contain duplicates');
}

function validateMapType(schema: JSONSchemaProps, path: FieldPath, { errors }: Context): void {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  if (schema.type !== 'object') {
    if (!schema.type) errors.required(path.child('type'), 'must be object if x-kubernetes-map-type is specified');
    else errors.invalid(path.child('type'), schema.type, 'must be object if x-kubernetes-map-type is specified');
  }
  if (mapType !== 'atomic' && mapType !== 'granular')
    errors.notSupported(path.child('x-kubernetes-map-type'), mapType, ['atomic', 'granular']);
}

const typeHints = { root: 'at the root', item: 'for specified array items', field: 'for specified object fields' };

function validateType(schema: JSONSchemaProps, level: Level, path: FieldPath, { errors }: Context): void {
  const embedded = schema['x-kubernetes-embedded-resource'] === true;
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  const at = path.child('type');
  const { type } = schema;
  if (embedded && type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true';
    if (!type) errors.required(at, detail);
    else errors.invalid(at, type, detail);
  } else if (!type && !intOrString && !preserves) errors.required(at, `must not be empty ${typeHints[level]}`);
  if (level === 'root' && type && type !== 'object') errors.invalid(at, type, 'must be object at the root');
  if (intOrString && type) errors.invalid(at, type, 'must be empty if x-kubernetes-int-or-string is true');
  if (intOrString && preserves)
    errors.invalid(path.child('x-kubernetes-preserve-unknown-fields'), true, 'must be false if x-kubernetes-int-or-string is true');
  if (intOrString && embedded)
    errors.invalid(path.child('x-kubernetes-embedded-resource'), true, 'must be false if x-kubernetes-int-or-string is true');
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.invalid(path.child('x-kubernetes-preserve-unknown-fields'), false, 'must be true or undefined');
  if (embedded && schema.additionalProperties !== undefined)
    errors.forbidden(path.child('additionalProperties'), 'must not be used if x-kubernetes-embedded-resource is set');
  if (embedded && !preserves && Object.keys(schema.properties ?? {}).length === 0)
    errors.required(
      path.child('properties'),
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    );
  if (level !== 'root' && !embedded) return;
  for (const name of ['kind', 'apiVersion'] as const) {
    const property = schema.properties?.[name];
    if (property && property.type !== 'string')
      errors.invalid(path.child('properties').key(name).child('type'), property.type ?? '', 'must be string');
  }
  const metadata = schema.properties?.metadata;
  if (!metadata) return;
  const metadataPath = path.child('properties').key('metadata');
  if (metadata.type !== 'object') errors.invalid(metadataPath.child('type'), metadata.type ?? '', 'must be object');
  if (level !== 'root') return;
  const { type: _type, properties = {}, description: _description, ...more } = metadata;
  const said = Object.entries(more).filter(([, value]) => value !== undefined && value !== false && value !== '');
  if (said.length > 0 || Object.keys(properties).some((name) => name !== 'name' && name !== 'generateName'))
    errors.forbidden(metadataPath, 'must not specify anything other than name and generateName, but metadata is implicitly specified');
}

function validateDefault(schema: JSONSchemaProps, path: FieldPath, inMetadata: boolean, { errors }: Context): void {
  if (schema.default === undefined) return;
  const at = path.child('default');
  if (inMetadata) {
    errors.forbidden(at, 'must not be set in top-level metadata');
    return;
  }
  const unknown: string[] = [];
  const pruned = pruneToSchema(schema, schema.default, unknown);
  if (unknown.length > 0) errors.invalid(at, schema.default, 'must not have unknown fields');
  applySchemaDefaults(schema, pruned);
  validateValue(schema, pruned, at, errors);
}

function validateStructural(schema: JSONSchemaProps, level: Level, path: FieldPath, inMetadata: boolean, context: Context): void {
  const { errors } = context;
  validateDialect(schema, path, context);
  validateType(schema, level, path, context);
  validateListType(schema, path, context);
  validateMapType(schema, path, context);
  validateRuleTexts(schema, path, errors);
  if (level === 'root' && schema.additionalProperties !== undefined)
    errors.forbidden(path.child('additionalProperties'), 'must not be used at the root');
  if (level === 'root' && schema.nullable) errors.forbidden(path.child('nullable'), 'nullable cannot be true at the root');
  const items = itemSchema(schema);
  if (schema.type === 'array' && !items && !Array.isArray(schema.items)) errors.required(path.child('items'), 'must be specified');
  if (items) validateStructural(items, 'item', path.child('items'), inMetadata, context);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    validateStructural(
      property,
      'field',
      path.child('properties').key(name),
      inMetadata || (level === 'root' && name === 'metadata'),
      context,
    );
  const values = valueSchema(schema);
  if (values) validateStructural(values, 'field', path.child('additionalProperties'), inMetadata, context);
  const skipAnyOf = schema['x-kubernetes-int-or-string'] === true && isIntOrStringAnyOf(schema.anyOf);
  validateJunctors(schema, schema, path, context, skipAnyOf);
}

/** Fields that Go's struct lets stand at the root beside a status subresource. */
const rootFields = new Set([
  'properties',
  'required',
  'description',
  'type',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
]);

export function validateSchema(
  schema: JSONSchemaProps,
  path: FieldPath,
  errors: FieldErrors,
  { statusSubresource }: { statusSubresource: boolean },
): void {
  const context: Context = { errors };
  if (statusSubresource) {
    const other = Object.entries(schema).some(([field, value]) => !rootFields.has(field) && value !== undefined && value !== false);
    if (other)
      errors.invalid(
        path,
        schema,
        'only ["description" "type" "properties" "required" "x-kubernetes-preserve-unknown-fields" "x-kubernetes-validations"] fields are allowed at the root of the schema if the status subresource is enabled',
      );
  }
  const before = errors.list.length;
  validateStructural(schema, 'root', path, false, context);
  // Defaults are held against the schema only once that makes sense.
  if (errors.list.length === before) validateDefaults(schema, path, true, false, context);
}

function validateDefaults(schema: JSONSchemaProps, path: FieldPath, root: boolean, inMetadata: boolean, context: Context): void {
  validateDefault(schema, path, inMetadata, context);
  const items = itemSchema(schema);
  if (items) validateDefaults(items, path.child('items'), false, inMetadata, context);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    validateDefaults(property, path.child('properties').key(name), false, inMetadata || (root && name === 'metadata'), context);
  const values = valueSchema(schema);
  if (values) validateDefaults(values, path.child('additionalProperties'), false, inMetadata, context);
}
