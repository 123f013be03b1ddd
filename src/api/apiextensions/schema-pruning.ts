/** Pruning: what a structural schema does not specify is dropped, unless it says to preserve it; so is null where none may be. */
import { setKey } from '../decode.ts';
import { deepCopy } from '../equality.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { DecodeError } from '../json-text.ts';
import { decodeMetadata, type MetadataRules } from './custom-metadata.ts';
import { itemSchema, metaFields, propertySchema } from './schema-parts.ts';

/** Upstream stops collecting here. */
const maxUnknown = 100;

/** The type or metadata of an object within another is none. */
export class EmbeddedObjectError extends DecodeError {
  readonly path: string;
  readonly value: unknown;
  readonly detail: string;

  constructor(path: string, value: unknown, detail: string) {
    super(`${path}: Invalid value: ${JSON.stringify(value)}: ${detail}`);
    this.path = path;
    this.value = value;
    this.detail = detail;
  }
}

/** Metadata is metadata, whatever the schema says of it. */
function embeddedMetadata(value: unknown, path: string, rules: MetadataRules): unknown {
  try {
    return decodeMetadata(value, path, rules);
  } catch (error) {
    if (error instanceof DecodeError) throw new EmbeddedObjectError(path, value, error.message);
    throw error;
  }
}

interface Pruning extends MetadataRules {
  /** Gets the paths of what the schema has no field for. */
  dropped: string[];
  /** Embedded objects' metadata and types stay as they are. */
  keepsMetadata: boolean;
}

function prune(schema: JSONSchemaProps | undefined, value: unknown, path: string, isResource: boolean, pruning: Pruning): unknown {
  const { dropped, keepsMetadata } = pruning;
  const preserves = schema?.['x-kubernetes-preserve-unknown-fields'] === true;
  if (Array.isArray(value)) {
    const items = schema && itemSchema(schema);
    if (!items && preserves) return deepCopy(value);
    // A loop: deep values have one call a level.
    const list: unknown[] = [];
    for (const [i, item] of value.entries())
      list.push(prune(items, item, `${path}[${i}]`, items?.['x-kubernetes-embedded-resource'] === true, pruning));
    return list;
  }
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (isResource && metaFields.has(key)) {
      const isWrong = key !== 'metadata' && typeof value[key] !== 'string' && !keepsMetadata;
      if (isWrong && pruning.dropsInvalid) continue;
      if (isWrong) throw new EmbeddedObjectError(at, value[key], 'must be a string');
      const isEmbedded = key === 'metadata' && !keepsMetadata && value[key] !== null;
      setKey(out, key, isEmbedded ? embeddedMetadata(value[key], at, pruning) : deepCopy(value[key]));
      continue;
    }
    const property = schema && propertySchema(schema, key);
    // Where there is a default, that takes the place of null.
    if (property && value[key] === null && !property.nullable && property.default === undefined) continue;
    // Of values that may be any, as booleans have it, objects lose all they have.
    if (property || schema?.additionalProperties !== undefined)
      setKey(out, key, prune(property, value[key], at, property?.['x-kubernetes-embedded-resource'] === true, pruning));
    else if (preserves) setKey(out, key, deepCopy(value[key]));
    else if (dropped.length < maxUnknown) dropped.push(at);
  }
  return out;
}

/**
 * A copy without unknown fields; their paths go to `unknown`, in order, those in embedded objects' metadata last. `isResource`: a whole object, with metadata of its own;
 * `keepsMetadata`: that of objects within it is left as it is; `dropsInvalid`: what is wrong with it is left out.
 */
export function pruneToSchema(
  schema: JSONSchemaProps | undefined,
  value: unknown,
  unknown: string[],
  { isResource = false, keepsMetadata = false, dropsInvalid = false } = {},
): unknown {
  if (schema === undefined) return deepCopy(value);
  const embedded = isResource || schema['x-kubernetes-embedded-resource'] === true;
  const [dropped, inMetadata]: [string[], string[]] = [[], []];
  const pruned = prune(schema, value, '', embedded, { dropped, unknown: inMetadata, keepsMetadata, dropsInvalid });
  unknown.push(...dropped.sort(), ...inMetadata.sort());
  return pruned;
}
