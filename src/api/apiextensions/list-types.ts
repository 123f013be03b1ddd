/** Lists that are sets or maps (x-kubernetes-list-type): what tells their items apart, and that none is there twice. */
import { deepEqual } from '../equality.ts';
import { FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject, sortedKeys } from '../json-object.ts';
import { itemSchema, propertySchema, somewhere, valueSchema } from './schema-parts.ts';

/** What tells a list's items apart. */
function keyReader(schema: JSONSchemaProps): (item: unknown) => unknown {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (schema['x-kubernetes-list-type'] !== 'map' || !keys) return (item) => item;
  return (item) => {
    const key: JsonObject = {};
    if (isJsonObject(item)) for (const name of keys) if (Object.hasOwn(item, name)) key[name] = item[name];
    return key;
  };
}

/** Finds the earlier state of a list's item: by its key in a map list; in others items have no past. */
export function correlate(schema: JSONSchemaProps, prev: unknown): (item: unknown) => unknown {
  if (!Array.isArray(prev) || schema['x-kubernetes-list-type'] !== 'map') return () => undefined;
  const keyOf = keyReader(schema);
  const byKey = new Map(prev.map((item) => [JSON.stringify(keyOf(item)), item]));
  return (item) => byKey.get(JSON.stringify(keyOf(item)));
}

/**
 * Whether a value is as it was. Upstream compares what the schema knows: an object with a field that no schema is for, and so every whole
 * object with its metadata, never counts as unchanged. Of lists that are maps, the order does not matter.
 */
export function isUnchanged(schema: JSONSchemaProps, prev: unknown, value: unknown): boolean {
  if (Array.isArray(prev) && Array.isArray(value)) {
    const items = itemSchema(schema);
    if (!items || schema['x-kubernetes-list-type'] !== 'map') return deepEqual(prev, value);
    const before = correlate(schema, prev);
    return (
      prev.length === value.length &&
      value.every((item) => {
        const old = before(item);
        return old !== undefined && isUnchanged(items, old, item);
      })
    );
  }
  if (!isJsonObject(prev) || !isJsonObject(value)) return deepEqual(prev, value);
  const keys = Object.keys(value);
  if (keys.length !== Object.keys(prev).length) return false;
  return keys.every((key) => {
    const property = propertySchema(schema, key);
    return property !== undefined && Object.hasOwn(prev, key) && isUnchanged(property, prev[key], value[key]);
  });
}

const hasKeyedLists = somewhere((schema) => ['map', 'set'].includes(schema['x-kubernetes-list-type'] ?? ''));

/** Of what is there more than twice, upstream tells the second only. */
function validateList(schema: JSONSchemaProps, list: readonly unknown[], path: FieldPath, errors: FieldErrors): void {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== 'map' && listType !== 'set') return;
  const stranger = listType === 'map' ? list.findIndex((item) => item !== null && !isJsonObject(item)) : -1;
  if (stranger >= 0) {
    errors.invalid(path.index(stranger), list[stranger], 'must be an object for an array of list-type map');
    return;
  }
  const keyOf = keyReader(schema);
  const times = new Map<string, number>();
  for (const [i, item] of list.entries()) {
    const key = keyOf(item);
    const text = JSON.stringify(sortedKeys(key));
    const seen = times.get(text) ?? 0;
    if (seen === 1) errors.duplicate(path.index(i), key);
    times.set(text, seen + 1);
  }
}

function validate(schema: JSONSchemaProps, value: unknown, path: FieldPath, errors: FieldErrors): void {
  if (!hasKeyedLists(schema)) return;
  if (Array.isArray(value)) {
    validateList(schema, value, path, errors);
    const items = itemSchema(schema);
    if (items) for (const [i, item] of value.entries()) validate(items, item, path.index(i), errors);
  } else if (isJsonObject(value)) {
    for (const key of Object.keys(value)) {
      const property = propertySchema(schema, key);
      if (property) validate(property, value[key], property === valueSchema(schema) ? path.key(key) : path.child(key), errors);
    }
  }
}

/** Adds what is in a list twice; what had such before may go on with it. */
export function validateListTypes(schema: JSONSchemaProps, value: unknown, errors: FieldErrors, prev?: unknown): void {
  const found = new FieldErrors();
  validate(schema, value, new FieldPath(), found);
  if (found.ok) return;
  const before = new FieldErrors();
  if (prev !== undefined) validate(schema, prev, new FieldPath(), before);
  if (before.ok) errors.list.push(...found.list);
}
