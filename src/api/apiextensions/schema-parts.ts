import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';

/** What every object has, whatever its schema says. */
export const metaFields: ReadonlySet<string> = new Set(['metadata', 'kind', 'apiVersion']);

/** The one schema of a list's items: lists of schemas are refused elsewhere. */
export function itemSchema(schema: JSONSchemaProps): JSONSchemaProps | undefined {
  return Array.isArray(schema.items) ? undefined : schema.items;
}

/** The schema of a map's values. */
export function valueSchema(schema: JSONSchemaProps): JSONSchemaProps | undefined {
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

/** The schema of a named field; names are the client's, so that the prototype's are none. */
export function propertySchema(schema: JSONSchemaProps, name: string): JSONSchemaProps | undefined {
  return schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : valueSchema(schema);
}

/** Whether a schema, or one within it, is such; most are not, and what is known of a schema is remembered. */
export function somewhere(isSuch: (schema: JSONSchemaProps) => boolean): (schema: JSONSchemaProps) => boolean {
  const known = new WeakMap<JSONSchemaProps, boolean>();
  const look = (schema: JSONSchemaProps): boolean => {
    let found = known.get(schema);
    if (found === undefined) {
      const below = [itemSchema(schema), valueSchema(schema), ...Object.values(schema.properties ?? {})];
      found = isSuch(schema) || below.some((s) => s !== undefined && look(s));
      known.set(schema, found);
    }
    return found;
  };
  return look;
}
