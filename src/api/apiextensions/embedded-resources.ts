/** Whole objects within a custom resource (x-kubernetes-embedded-resource): they must be such as the API could hold. */
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import type { ObjectMeta } from '../generated/meta.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { isDns1035Label, isPathSegmentName } from '../names.ts';
import { validateObjectMeta } from '../object-meta.ts';
import { itemSchema, propertySchema, somewhere } from './schema-parts.ts';

const root = new FieldPath();

function validateApiVersion(value: unknown, path: FieldPath, errors: FieldErrors): void {
  if (typeof value !== 'string') errors.invalid(path, value, 'must be a string');
  else if (value === '') errors.invalid(path, value, 'must not be empty');
  else if (value.split('/').length > 2) errors.invalid(path, value, `unexpected GroupVersion string: ${value}`);
}

function validateKind(value: unknown, path: FieldPath, errors: FieldErrors): void {
  if (typeof value !== 'string') errors.invalid(path, value, 'must be a string');
  else if (value === '') errors.invalid(path, value, 'must not be empty');
  else {
    const problems = isDns1035Label(value.toLowerCase());
    if (problems.length > 0) errors.invalid(path, value, `may have mixed case, but should otherwise match: ${problems.join(',')}`);
  }
}

function validateResource(value: JsonObject, path: FieldPath, errors: FieldErrors): void {
  const field = (name: string, validate: typeof validateKind) => {
    if (Object.hasOwn(value, name)) validate(value[name], path.child(name), errors);
    else errors.required(path.child(name));
  };
  field('apiVersion', validateApiVersion);
  field('kind', validateKind);
  if (!isJsonObject(value.metadata)) return;
  // Decoded as such when the object was read; it need not have a name.
  const metadata = value.metadata as Partial<ObjectMeta>;
  const rules = { namespaced: Boolean(metadata.namespace), nameRule: isPathSegmentName };
  validateObjectMeta({ ...metadata, name: metadata.name || 'fakename' }, rules, errors, path.child('metadata'));
}

const hasEmbedded = somewhere((schema) => schema['x-kubernetes-embedded-resource'] === true);

/** Adds what is wrong with the type and metadata of objects within a value. */
export function validateEmbedded(schema: JSONSchemaProps, value: unknown, errors: FieldErrors, path = root): void {
  if (!hasEmbedded(schema)) return;
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (items) for (const [i, item] of value.entries()) validateEmbedded(items, item, errors, path.index(i));
  } else if (isJsonObject(value)) {
    if (schema['x-kubernetes-embedded-resource']) validateResource(value, path, errors);
    for (const key of Object.keys(value)) {
      const property = propertySchema(schema, key);
      const at = schema.properties && Object.hasOwn(schema.properties, key) ? path.child(key) : path.key(key);
      if (property) validateEmbedded(property, value[key], errors, at);
    }
  }
}
