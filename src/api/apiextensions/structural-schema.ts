/**
 * What makes a schema structural: every field has its type outside of logic, so that unknown fields can be told from known ones
 * (KEP-1002, `k8s.io/apiextensions-apiserver/pkg/apiserver/schema`).
 */
import { deepEqual } from '../equality.ts';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { patternProblem } from '../regular-expression.ts';
import { validateDefaults } from './default-validation.ts';
import { validateRuleTexts } from './rule-definitions.ts';
import { itemSchema, metaFields, valueSchema } from './schema-parts.ts';

type Level = 'root' | 'item' | 'field';

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const listTypes = ['atomic', 'set', 'map'];

const intOrStringAnyOf = [{ type: 'integer' }, { type: 'string' }];
const isIntOrStringAnyOf = (list: unknown) => deepEqual(list ?? null, intOrStringAnyOf);

interface Context {
  errors: FieldErrors;
}

/** What JSON Schema can say and schemas of definitions can't. */
const unsupported = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'] as const;
const says = (value: unknown) => (typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value));

/** Where schemas of OpenAPI v3 may not say all that JSON Schema can. */
function validateDialect(schema: JSONSchemaProps, path: FieldPath, { inMeta, noDefaults }: Place, errors: FieldErrors): void {
  const forbid = (field: string, present: unknown, detail = `${field} is not supported`) => {
    if (present) errors.forbidden(path.child(field), detail);
  };
  const { type } = schema;
  if (type && !types.includes(type)) errors.ratcheting(() => errors.notSupported(path.child('type'), type, types), 'valid types');
  forbid('default', schema.default !== undefined && noDefaults !== undefined, `must not be set ${noDefaults}`);
  for (const field of unsupported) forbid(field, says(schema[field]));
  forbid('type', schema.type === 'null', 'type cannot be set to null, use nullable as an alternative');
  forbid('items', Array.isArray(schema.items), 'items must be a schema object and not an array');
  forbid('x-kubernetes-embedded-resource', inMeta && schema['x-kubernetes-embedded-resource'], 'must not be used inside of resource meta');
  forbid('uniqueItems', schema.uniqueItems, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic');
  if (schema.additionalProperties !== undefined && says(schema.properties))
    forbid('additionalProperties', schema.additionalProperties !== true, 'additionalProperties and properties are mutual exclusive');
}

/** Where in a definition's schema one is. */
interface Place {
  /** Within what applies to metadata, kind or apiVersion, of the object or of one embedded. */
  inMeta?: boolean;
  /** Why there may be no defaults. */
  noDefaults?: string;
}

/** What a schema of OpenAPI v3 with Kubernetes' extensions may say; parts before the whole. */
function validateOpenApi(schema: JSONSchemaProps, level: Level, path: FieldPath, place: Place, errors: FieldErrors): void {
  validateDialect(schema, path, place, errors);
  const values = valueSchema(schema);
  if (values) {
    const within = place.inMeta ? { ...place, noDefaults: 'inside additionalProperties applying to object metadata' } : place;
    validateOpenApi(values, 'field', path.child('additionalProperties'), within, errors);
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isMeta = (level === 'root' || schema['x-kubernetes-embedded-resource'] === true) && metaFields.has(name);
    const within = isMeta ? { ...place, inMeta: true, ...(level === 'root' ? { noDefaults: `in top-level ${name}` } : {}) } : place;
    validateOpenApi(property, 'field', path.child('properties').key(name), within, errors);
  }
  if (schema.not) validateOpenApi(schema.not, 'field', path.child('not'), place, errors);
  for (const junctor of ['allOf', 'oneOf', 'anyOf'] as const)
    for (const [i, nested] of (schema[junctor] ?? []).entries())
      validateOpenApi(nested, 'field', path.child(junctor).index(i), place, errors);
  const items = itemSchema(schema);
  if (items) validateOpenApi(items, 'item', path.child('items'), place, errors);
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.invalid(path.child('x-kubernetes-preserve-unknown-fields'), false, 'must be true or undefined');
  validateMapType(schema, path, errors);
  validateListType(schema, path, errors);
  validateRuleTexts(schema, path, errors);
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
  validateValues(schema, structure, path, context, skipAnyOf);
}

/** The place of the structure that a nested path restricts: its junctors taken away. */
const structureOf = (path: FieldPath) => new FieldPath(path.toString().replace(/\.(?:(?:allOf|anyOf|oneOf)\[\d+\]|not)(?=\.|$)/g, ''));

/** What holds of schemas within logic and of those outside alike. */
function validateValues(
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
  const { pattern } = schema;
  const problem = pattern ? patternProblem(pattern) : undefined;
  if (problem !== undefined)
    context.errors.invalid(path.child('pattern'), pattern, `must be a valid regular expression, but isn't: ${problem}`);
}

/** Entries of sets are compared as wholes. */
function validateSetItems(items: JSONSchemaProps, path: FieldPath, errors: FieldErrors): void {
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const listType = items['x-kubernetes-list-type'];
  if (items.type === 'array' && (listType ?? 'atomic') !== 'atomic') errors.invalid(path.child('x-kubernetes-list-type'), listType, detail);
  // Upstream shows the list type here, too.
  if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    errors.invalid(path.child('x-kubernetes-map-type'), listType ?? null, detail);
}

/** Entries of maps are told apart by their keys. */
function validateMapKeys(items: JSONSchemaProps, keys: readonly string[], path: FieldPath, errors: FieldErrors): void {
  const keysPath = path.child('x-kubernetes-list-map-keys');
  for (const [i, key] of keys.entries()) {
    const type = items.properties?.[key]?.type;
    if (!items.properties?.[key]) errors.invalid(keysPath, keys, 'entries must all be names of item properties');
    else if (type === 'array' || type === 'object')
      errors.invalid(
        path.child('items', 'properties').key(key).child('type'),
        items.type,
        "must be a scalar type if parent array's x-kubernetes-list-type is map",
      );
    if (keys.indexOf(key) < i) errors.invalid(keysPath, keys, 'must not contain duplicate entries');
  }
}

/** Neither an item nor a key can be missing. */
function validateKeyedItems(items: JSONSchemaProps, listType: string, keys: readonly string[], path: FieldPath, errors: FieldErrors): void {
  if (items.nullable) errors.forbidden(path.child('items', 'nullable'), `cannot be nullable when x-kubernetes-list-type is ${listType}`);
  for (const key of listType === 'map' ? keys : []) {
    const property = items.properties?.[key];
    const at = path.child('items', 'properties').key(key);
    if (property && property.default === undefined && !items.required?.includes(key))
      errors.required(
        at.child('default'),
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      );
    if (property?.nullable)
      errors.forbidden(at.child('nullable'), 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable');
  }
}

function validateListType(schema: JSONSchemaProps, path: FieldPath, errors: FieldErrors): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const typePath = path.child('x-kubernetes-list-type');
  const items = itemSchema(schema);
  if (listType !== undefined && schema.type !== 'array') {
    if (!schema.type) errors.required(path.child('type'), 'must be array if x-kubernetes-list-type is specified');
    else errors.invalid(path.child('type'), schema.type, 'must be array if x-kubernetes-list-type is specified');
  } else if (listType === 'set' && items)
    errors.ratcheting(() => validateSetItems(items, path.child('items'), errors), 'atomic items of sets');
  if (listType !== undefined && !listTypes.includes(listType)) errors.notSupported(typePath, listType, listTypes);
  const detail = 'must be map if x-kubernetes-list-map-keys is non-empty';
  if (keys.length > 0 && listType === undefined) errors.required(typePath, detail);
  else if (keys.length > 0 && listType !== 'map') errors.invalid(typePath, listType, detail);
  if (listType === 'map') {
    if (keys.length === 0) errors.required(path.child('x-kubernetes-list-map-keys'), 'must not be empty if x-kubernetes-list-type is map');
    if (schema.items === undefined) errors.required(path.child('items'), 'must have a schema if x-kubernetes-list-type is map');
    else if (!items) errors.invalid(path.child('items'), schema.items, 'must only have a single schema if x-kubernetes-list-type is map');
    else if (items.type !== 'object')
      errors.invalid(path.child('items', 'type'), items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map");
    else validateMapKeys(items, keys, path, errors);
  }
  if (items && (listType === 'set' || listType === 'map'))
    errors.ratcheting(() => validateKeyedItems(items, listType, keys, path, errors), 'items that can be told apart');
}

function validateMapType(schema: JSONSchemaProps, path: FieldPath, errors: FieldErrors): void {
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
  const { type: _type, properties = {}, description: _description, default: _default, ...more } = metadata;
  const said = Object.entries(more).filter(([, value]) => value !== undefined && value !== false && value !== '');
  if (said.length > 0 || Object.keys(properties).some((name) => name !== 'name' && name !== 'generateName'))
    errors.forbidden(metadataPath, 'must not specify anything other than name and generateName, but metadata is implicitly specified');
}

function validateStructural(schema: JSONSchemaProps, level: Level, path: FieldPath, context: Context): void {
  const { errors } = context;
  validateType(schema, level, path, context);
  if (level === 'root' && schema.additionalProperties !== undefined)
    errors.forbidden(path.child('additionalProperties'), 'must not be used at the root');
  const items = itemSchema(schema);
  if (schema.type === 'array' && !items) errors.required(path.child('items'), 'must be specified');
  if (items) validateStructural(items, 'item', path.child('items'), context);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    validateStructural(property, 'field', path.child('properties').key(name), context);
  const values = valueSchema(schema);
  if (values) validateStructural(values, 'field', path.child('additionalProperties'), context);
  const skipAnyOf = schema['x-kubernetes-int-or-string'] === true && isIntOrStringAnyOf(schema.anyOf);
  validateValues(schema, schema, path, context, skipAnyOf);
}

/** Fields that may stand at the root beside a status subresource: in JSON, and as Go's struct calls them. */
const rootFields: Record<string, string> = {
  description: 'Description',
  type: 'Type',
  format: 'Format',
  title: 'Title',
  maximum: 'Maximum',
  exclusiveMaximum: 'ExclusiveMaximum',
  minimum: 'Minimum',
  exclusiveMinimum: 'ExclusiveMinimum',
  maxLength: 'MaxLength',
  minLength: 'MinLength',
  pattern: 'Pattern',
  maxItems: 'MaxItems',
  minItems: 'MinItems',
  uniqueItems: 'UniqueItems',
  multipleOf: 'MultipleOf',
  required: 'Required',
  items: 'Items',
  properties: 'Properties',
  externalDocs: 'ExternalDocs',
  example: 'Example',
  'x-kubernetes-preserve-unknown-fields': 'XPreserveUnknownFields',
  'x-kubernetes-validations': 'XValidations',
};

/** Whether a schema, or one within, says what can't be said at all; its structure is then not looked at. */
function isUnsupported(schema: JSONSchemaProps): boolean {
  if (unsupported.some((field) => says(schema[field])) || Array.isArray(schema.items)) return true;
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) return true;
  const { properties = {}, allOf = [], anyOf = [], oneOf = [], not } = schema;
  const within = [...Object.values(properties), ...allOf, ...anyOf, ...oneOf, not, itemSchema(schema), valueSchema(schema)];
  return within.some((part) => part !== undefined && isUnsupported(part));
}

/** What is wrong with a schema's structure, in the order of the words that say so. */
function violations(schema: JSONSchemaProps, path: FieldPath): FieldErrors {
  const structural = new FieldErrors();
  validateStructural(schema, 'root', path, { errors: structural });
  const words = new Map(structural.list.map((error) => [error, fieldErrorMessage(error)]));
  structural.list.sort((a, b) => ((words.get(a) ?? '') < (words.get(b) ?? '') ? -1 : 1));
  return structural;
}

/** The same in words, each once; nothing of a schema that says what can't be said at all. */
export function structuralProblems(schema: JSONSchemaProps, path: FieldPath): string[] {
  return isUnsupported(schema) ? [] : [...new Set(violations(schema, path).list.map(fieldErrorMessage))];
}

export interface SchemaOptions {
  statusSubresource: boolean;
  /** Of a definition that keeps what it does not know, and has no need of a structure: old ones may go on without. */
  mayStayUnstructured?: boolean;
}

export function validateSchema(
  schema: JSONSchemaProps,
  path: FieldPath,
  errors: FieldErrors,
  { statusSubresource, mayStayUnstructured = false }: SchemaOptions,
): void {
  const inUse = Object.entries(schema).filter(([, value]) => value !== undefined && value !== false && value !== '');
  // Upstream goes by the order of its struct, in which what is not allowed first comes before or after the type.
  if (statusSubresource && schema.type && schema.type !== 'object')
    errors.invalid(
      path.child('type'),
      schema.type,
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
    );
  else if (statusSubresource && inUse.some(([field]) => !Object.hasOwn(rootFields, field)))
    errors.invalid(
      path,
      schema,
      `only [${Object.values(rootFields).join(' ')}] fields are allowed at the root of the schema if the status subresource is enabled`,
    );
  if (schema.nullable) errors.forbidden(path.child('nullable'), 'nullable cannot be true at the root');
  if (!isUnsupported(schema)) {
    const structural = violations(schema, path);
    // Defaults are held against the schema only once that makes sense.
    if (structural.ok) validateDefaults(schema, path, errors);
    errors.list.push(...structural.list.map((error) => (mayStayUnstructured ? { ...error, ratchets: 'structure' } : error)));
  }
  validateOpenApi(schema, 'root', path, {}, errors);
}
