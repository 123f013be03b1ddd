/** JSON Merge Patch (RFC 7386). */

import { setKey } from '../decode.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { PatchError } from './json-patch.ts';

function merge(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const out: JsonObject = {};
  const base = isJsonObject(target) ? target : {};
  for (const key of Object.keys(base)) if (!Object.hasOwn(patch, key)) setKey(out, key, base[key]);
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) continue;
    setKey(out, key, merge(Object.hasOwn(base, key) ? base[key] : undefined, patch[key]));
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
  return merge(document, patch);
}
