/** Where a rule's fieldPath leads. */
import type { FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { propertySchema, valueSchema } from './schema-parts.ts';

/** The steps of a rule's fieldPath: `.spec.x`, `['a.b']`. */
function stepsOf(fieldPath: string): { name: string; key: boolean }[] {
  return [...fieldPath.matchAll(/\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]/g)].map(([, name, key]) => ({
    name: name ?? (key ?? '').replace(/\\(.)/g, '$1'),
    key: name === undefined,
  }));
}

export function schemaAtPath(schema: JSONSchemaProps, fieldPath: string): JSONSchemaProps | undefined {
  let at: JSONSchemaProps | undefined = schema;
  for (const { name } of stepsOf(fieldPath)) at = at && propertySchema(at, name);
  return at;
}

export function placeOf(schema: JSONSchemaProps, path: FieldPath, fieldPath: string | undefined): FieldPath {
  let place = path;
  let at: JSONSchemaProps | undefined = schema;
  for (const { name } of fieldPath ? stepsOf(fieldPath) : []) {
    place = at && valueSchema(at) ? place.key(name) : place.child(name);
    at = at && propertySchema(at, name);
  }
  return place;
}
