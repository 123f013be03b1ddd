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

/** All schemas within one, whatever they are for. */
export function partsOf(schema: JSONSchemaProps): JSONSchemaProps[] {
  const { items, allOf = [], anyOf = [], oneOf = [], not, properties = {}, additionalProperties, additionalItems } = schema;
  const { patternProperties = {}, definitions = {} } = schema;
  const parts = [
    ...(Array.isArray(items) ? items : [items]),
    ...allOf,
    ...anyOf,
    ...oneOf,
    not,
    ...Object.values(properties),
    ...[additionalProperties, additionalItems].map((value) => (typeof value === 'object' ? value : undefined)),
    ...Object.values(patternProperties),
    ...Object.values(definitions),
  ];
  return parts.filter((part) => part !== undefined);
}

/** Whether a schema, or any within it, is such. Definitions nest deep: what is found is put on the list that is walked. */
export function anywhere(schema: JSONSchemaProps, isSuch: (schema: JSONSchemaProps) => boolean): boolean {
  const found = [schema];
  for (const each of found) {
    if (isSuch(each)) return true;
    for (const part of partsOf(each)) found.push(part);
  }
  return false;
}

/** Whether a schema, or one within it that values are held against, is such; most are not, and what is known of a schema is remembered. */
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
