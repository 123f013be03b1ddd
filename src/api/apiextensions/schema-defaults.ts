/** Defaults of a structural schema. A null where null may not stand is as if it were not there, if there is a default. */
import { decodeValue, setKey } from '../decode.ts';
import { deepCopy } from '../equality.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { structNode } from '../schema/table.ts';
import { itemSchema, valueSchema } from './schema-parts.ts';
import { pruneToSchema } from './schema-pruning.ts';

type Apply = (value: unknown) => void;

const compiled = new WeakMap<JSONSchemaProps, { apply: Apply | undefined }>();

function compileProperty(name: string, schema: JSONSchemaProps, isMetadata: boolean): ((object: JsonObject) => void) | undefined {
  const inner = compile(schema);
  const { nullable } = schema;
  // What a default says of metadata that metadata has no field for is dropped, as it would be of a client's.
  const value = schema.default === undefined || isMetadata ? schema.default : pruneToSchema(schema, schema.default, []);
  if (value === undefined && inner === undefined) return undefined;
  return (object) => {
    const given = Object.hasOwn(object, name) ? object[name] : undefined;
    if (value !== undefined && (given === undefined || (given === null && !nullable))) setKey(object, name, deepCopy(value));
    if (inner && Object.hasOwn(object, name)) inner(object[name]);
  };
}

/** What takes the place of a null in a list or map that may have none. */
const insteadOfNull = (schema: JSONSchemaProps): unknown =>
  schema.default === undefined || schema.nullable ? undefined : pruneToSchema(schema, schema.default, []);

/** What gives a value its defaults, or undefined where nothing in the schema has any. */
function compile(schema: JSONSchemaProps): Apply | undefined {
  const known = compiled.get(schema);
  if (known) return known.apply;
  const items = itemSchema(schema);
  const each = items && compile(items);
  const values = valueSchema(schema);
  const every = values && compile(values);
  const itemDefault = items && insteadOfNull(items);
  const valueDefault = values && insteadOfNull(values);
  const isResource = schema['x-kubernetes-embedded-resource'] === true && schema.properties?.metadata !== undefined;
  const fields = Object.entries(schema.properties ?? {}).flatMap(
    ([name, property]) => compileProperty(name, property, isResource && name === 'metadata') ?? [],
  );
  const apply: Apply | undefined =
    each || every || fields.length > 0 || itemDefault !== undefined || valueDefault !== undefined
      ? (value) => {
          if (Array.isArray(value)) {
            for (const [i, item] of value.entries()) {
              if (item === null && itemDefault !== undefined) value[i] = deepCopy(itemDefault);
              each?.(value[i]);
            }
          } else if (isJsonObject(value)) {
            for (const field of fields) field(value);
            if (isResource && isJsonObject(value.metadata))
              setKey(value, 'metadata', decodeValue(structNode('meta.v1.ObjectMeta'), value.metadata, []));
            if (!every && valueDefault === undefined) return;
            for (const key of Object.keys(value)) {
              if (schema.properties?.[key]) continue;
              if (value[key] === null && valueDefault !== undefined) setKey(value, key, deepCopy(valueDefault));
              every?.(value[key]);
            }
          }
        }
      : undefined;
  compiled.set(schema, { apply });
  return apply;
}

/** Fills in the defaults of a schema that no longer changes, in place. */
export function applySchemaDefaults(schema: JSONSchemaProps, value: unknown): void {
  compile(schema)?.(value);
}

/** Whether a schema that no longer changes has any defaults. */
export const hasSchemaDefaults = (schema: JSONSchemaProps): boolean => compile(schema) !== undefined;
