/**
 * How large what a schema describes can be, given that a request has 3 MB at most: what the cost of rules is estimated by
 * (k8s.io/apiserver/pkg/cel/common/schemas.go, KEP-2876 "Resource constraints").
 */

import type { Bounds } from '../cel/index.ts';
import { escapeName } from '../cel/index.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { itemSchema, valueSchema } from './schema-parts.ts';

/** Bytes that a request can have. */
const maxRequestBytes = 3 * 1024 * 1024;

/** Bytes of what a text of a format is in JSON, with its quotes. */
const dateBytes = 12;
const minDateTimeBytes = 21;
const maxDateTimeBytes = 37;
const minDurationBytes = 3;
const maxDurationBytes = 32;

/** Bounds, and the fewest bytes in which such a value can be written. */
interface Declaration extends Bounds {
  readonly minBytes: number;
}

const notNegative = (n: number) => Math.max(0, n);
const scalar = (minBytes: number): Declaration => ({ maxElements: 0, minBytes });
const key: Declaration = scalar(2);
const text = { type: 'string' };

function stringBounds({ format, maxLength, enum: values }: JSONSchemaProps): Declaration {
  switch (format) {
    case 'byte':
      return { maxElements: maxLength === undefined ? maxRequestBytes - 2 : notNegative(maxLength), minBytes: 2 };
    case 'duration':
      return { maxElements: maxDurationBytes, minBytes: minDurationBytes };
    case 'date':
      return { maxElements: dateBytes, minBytes: dateBytes };
    case 'date-time':
      return { maxElements: maxDateTimeBytes, minBytes: minDateTimeBytes };
  }
  return { maxElements: stringLength(maxLength, values), minBytes: 2 };
}

function stringLength(maxLength: number | undefined, values: readonly unknown[] | undefined): number {
  // A character has up to four bytes.
  if (maxLength !== undefined) return notNegative(maxLength) * 4;
  if (!values?.length) return maxRequestBytes - 2;
  return Math.max(...values.map((value) => (typeof value === 'string' ? new TextEncoder().encode(value).length : 0)));
}

function objectBounds(schema: JSONSchemaProps, isResource: boolean): Declaration | undefined {
  if (schema.additionalProperties) {
    const values = valueSchema(schema);
    const items = values && declarationOf(values);
    if (!items) return undefined;
    // A key of two bytes, its quotes, a colon, a comma.
    const fitting = Math.floor((maxRequestBytes - 2) / (items.minBytes + 6));
    return { maxElements: schema.maxProperties === undefined ? fitting : notNegative(schema.maxProperties), minBytes: 2, keys: key, items };
  }
  const properties: Record<string, JSONSchemaProps> = { ...schema.properties };
  if (isResource) {
    const metadata = { type: 'object', properties: { name: text, generateName: text } };
    Object.assign(properties, { apiVersion: text, kind: text, metadata });
  }
  const fields = new Map<string, Bounds>();
  let minBytes = 2;
  for (const [name, property] of Object.entries(properties)) {
    const field = declarationOf(property);
    if (!field) continue;
    const escaped = escapeName(name);
    if (escaped !== undefined) fields.set(escaped, field);
    // Defaults are filled in by the server: the request need not have them.
    if (schema.required?.includes(name) && property.default === undefined) minBytes += name.length + field.minBytes + 4;
  }
  return { maxElements: 0, minBytes, fields };
}

const known = new WeakMap<JSONSchemaProps, { plain?: Declaration | undefined; resource?: Declaration | undefined }>();

/** Undefined for what rules can't see. */
function declarationOf(schema: JSONSchemaProps, isRoot = false): Declaration | undefined {
  const isResource = isRoot || schema['x-kubernetes-embedded-resource'] === true;
  const kept = known.get(schema) ?? {};
  known.set(schema, kept);
  const which = isResource ? 'resource' : 'plain';
  if (!(which in kept)) kept[which] = makeDeclaration(schema, isResource);
  return kept[which];
}

function makeDeclaration(schema: JSONSchemaProps, isResource: boolean): Declaration | undefined {
  if (schema['x-kubernetes-int-or-string'])
    return { maxElements: schema.maxLength === undefined ? maxRequestBytes - 2 : notNegative(schema.maxLength) * 4, minBytes: 1 };
  switch (schema.type) {
    case 'array': {
      const itemsOf = itemSchema(schema);
      const items = itemsOf && declarationOf(itemsOf);
      if (!items) return undefined;
      const fitting = Math.floor((maxRequestBytes - 2) / (items.minBytes + 1));
      return { maxElements: schema.maxItems === undefined ? fitting : notNegative(schema.maxItems), minBytes: 2, items };
    }
    case 'object':
      return objectBounds(schema, isResource);
    case 'string':
      return stringBounds(schema);
    case 'boolean':
      return scalar(4);
    case 'number':
    case 'integer':
      return scalar(1);
    default:
      return undefined;
  }
}

/** The bounds of `self` in the rules of a schema. */
export function boundsOf(schema: JSONSchemaProps, isResource: boolean): Bounds | undefined {
  return declarationOf(schema, isResource);
}

/** How often values of a schema fit into one request at most. */
export function mostInOneRequest(schema: JSONSchemaProps, isResource: boolean): number {
  // With a comma between them.
  return Math.floor(maxRequestBytes / ((declarationOf(schema, isResource)?.minBytes ?? 0) + 1));
}

/** By how much a schema multiplies the values below it; undefined where nothing bounds it. */
export function multiplicity({ type, additionalProperties, maxProperties, maxItems }: JSONSchemaProps): number | undefined {
  const most = type === 'array' ? maxItems : type === 'object' && additionalProperties !== undefined ? maxProperties : 1;
  return most === undefined ? undefined : notNegative(most);
}
