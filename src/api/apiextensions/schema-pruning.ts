/** Pruning: what a structural schema does not specify is dropped, unless it says to preserve it; so is null where none may be. */
import { setKey } from '../decode.ts';
import { deepCopy } from '../equality.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { DecodeError } from '../json-text.ts';
import { decodeMetadata, type MetadataRules } from './custom-metadata.ts';
import { itemSchema, propertySchema } from './schema-parts.ts';

/** Upstream stops collecting here. */
const maxUnknown = 100;

/** Every object has these, whatever its schema says. */
const objectFields = new Set(['apiVersion', 'kind', 'metadata']);

/** Metadata is metadata, whatever the schema says of it. */
function embeddedMetadata(value: unknown, path: string, rules: MetadataRules): unknown {
  try {
    return decodeMetadata(value, path, rules);
  } catch (error) {
    if (error instanceof DecodeError) throw new DecodeError(`${path}: Invalid value: ${JSON.stringify(value)}: ${error.message}`);
    throw error;
  }
}

interface Pruning extends MetadataRules {
  /** Embedded objects' metadata stays as it is. */
  keepsMetadata: boolean;
}

function prune(schema: JSONSchemaProps | undefined, value: unknown, path: string, isResource: boolean, pruning: Pruning): unknown {
  const { unknown, keepsMetadata } = pruning;
  if (schema === undefined) return deepCopy(value);
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (items)
      return value.map((item, i) => prune(items, item, `${path}[${i}]`, items['x-kubernetes-embedded-resource'] === true, pruning));
    return deepCopy(value);
  }
  if (!isJsonObject(value)) return value;
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true;
  const out: JsonObject = {};
  for (const key of Object.keys(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (isResource && objectFields.has(key)) {
      const isWrong = key !== 'metadata' && typeof value[key] !== 'string' && path !== '';
      if (isWrong && pruning.dropsInvalid) continue;
      if (isWrong) throw new DecodeError(`${at}: Invalid value: ${JSON.stringify(value[key])}: must be a string`);
      const isEmbedded = key === 'metadata' && !keepsMetadata && isJsonObject(value[key]);
      setKey(out, key, isEmbedded ? embeddedMetadata(value[key], at, pruning) : deepCopy(value[key]));
      continue;
    }
    const property = propertySchema(schema, key);
    // Where there is a default, that takes the place of null.
    if (property && value[key] === null && !property.nullable && property.default === undefined) continue;
    if (property) setKey(out, key, prune(property, value[key], at, property['x-kubernetes-embedded-resource'] === true, pruning));
    else if (preserves) setKey(out, key, deepCopy(value[key]));
    else if (unknown.length < maxUnknown) unknown.push(at);
  }
  return out;
}

/**
 * A copy without unknown fields; their paths go to `unknown`. `isResource`: a whole object, with metadata of its own;
 * `keepsMetadata`: that of objects within it is left as it is; `dropsInvalid`: what is wrong with it is left out.
 */
export function pruneToSchema(
  schema: JSONSchemaProps | undefined,
  value: unknown,
  unknown: string[],
  { isResource = false, keepsMetadata = false, dropsInvalid = false } = {},
): unknown {
  const embedded = isResource || schema?.['x-kubernetes-embedded-resource'] === true;
  return prune(schema, value, '', embedded, { unknown, keepsMetadata, dropsInvalid });
}
