import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';

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
