/** JSON Merge Patch (RFC 7386). */

import { setKey } from '../decode.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { PatchError } from './json-patch.ts';

/** What a place that has held no object takes from a patch. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value)) if (value[key] !== null) setKey(out, key, withoutNulls(value[key]));
  return out;
}

/** As gopkg.in/evanphx/json-patch.v4 does: nulls in lists' objects stay where the list takes an object's place, and there alone. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(target)) return withoutNulls(patch);
  if (!isJsonObject(patch)) return patch;
  const out: JsonObject = {};
  for (const key of Object.keys(target)) if (!Object.hasOwn(patch, key)) setKey(out, key, target[key]);
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) continue;
    setKey(out, key, merge(Object.hasOwn(target, key) ? target[key] : undefined, patch[key]));
  }
  return out;
}

/**
 * Applies a merge patch: null deletes, objects merge, everything else replaces. The document stays as it was.
 * @throws PatchError
 */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch))
    throw new PatchError('error decoding patch: json: cannot unmarshal value into Go value of type map[string]interface {}', 'BadRequest');
  return merge(isJsonObject(document) ? document : {}, patch);
}
