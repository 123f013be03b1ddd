/**
 * Strategic merge patch (`k8s.io/apimachinery/pkg/util/strategicpatch`): a merge patch in which lists that have a merge key in the
 * table are merged by it, with the directives `$patch`, `$retainKeys`, `$setElementOrder/FIELD` and `$deleteFromPrimitiveList/FIELD`.
 */

import { setKey } from '../decode.ts';
import { deepEqual } from '../equality.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { StructNode, TypeNode } from '../schema/node.ts';
import { PatchError } from './json-patch.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ELEMENT_ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/** What the table says of a place: the type below it, and how a patch treats it. */
interface Place {
  node: TypeNode | undefined;
  merge: boolean;
  retainKeys: boolean;
  replace: boolean;
  mergeKey: string | undefined;
}

function placeOf(node: TypeNode | undefined, key: string): Place {
  const field = node?.kind === 'struct' ? node.byName.get(key) : undefined;
  const strategies = field?.patchStrategy ?? [];
  return {
    node: field?.node ?? (node?.kind === 'map' ? node.value : undefined),
    merge: strategies.includes('merge'),
    retainKeys: strategies.includes('retainKeys'),
    replace: strategies.includes('replace'),
    mergeKey: field?.patchMergeKey,
  };
}

const itemOf = (node: TypeNode | undefined) => (node?.kind === 'list' ? node.item : undefined);

const wrongType = (expected: string, actual: unknown) =>
  new PatchError(
    `Invalid JSON document: expected ${expected}, got ${Array.isArray(actual) ? 'list' : actual === null ? 'null' : typeof actual}`,
    'BadRequest',
  );

function list(value: unknown, directive: string): unknown[] {
  if (!Array.isArray(value)) throw new PatchError(`incorrect type for ${directive}: must be a list`, 'BadRequest');
  return value;
}

function patchDirective(patch: JsonObject): string | undefined {
  if (!Object.hasOwn(patch, DIRECTIVE)) return undefined;
  const value = patch[DIRECTIVE];
  if (value !== 'replace' && value !== 'delete' && value !== 'merge')
    throw new PatchError(`Unknown patch type found: ${typeof value === 'string' ? value : JSON.stringify(value)}`, 'BadRequest');
  return value;
}

function withoutKey(object: JsonObject, key: string): JsonObject {
  const out: JsonObject = {};
  for (const name of Object.keys(object)) if (name !== key) setKey(out, name, object[name]);
  return out;
}

/** Patch values enter the document without their directives and nulls. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isJsonObject(item) || !Object.hasOwn(item, DIRECTIVE)).map(withoutDirectives);
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value)) {
    if (
      key === DIRECTIVE ||
      key === RETAIN_KEYS ||
      key.startsWith(ELEMENT_ORDER) ||
      key.startsWith(DELETE_PRIMITIVES) ||
      value[key] === null
    )
      continue;
    setKey(out, key, withoutDirectives(value[key]));
  }
  return out;
}

function retainKeys(original: JsonObject, patch: JsonObject): JsonObject {
  const keep = new Set(list(patch[RETAIN_KEYS], RETAIN_KEYS));
  for (const key of Object.keys(patch)) {
    if (!key.startsWith('$') && patch[key] !== null && !keep.has(key))
      throw new PatchError(`${RETAIN_KEYS} directive does not match fields in the patch: ${key}`, 'BadRequest');
  }
  const out: JsonObject = {};
  for (const key of Object.keys(original)) if (keep.has(key)) setKey(out, key, original[key]);
  return out;
}

function mergeMap(original: JsonObject, patch: JsonObject, node: TypeNode | undefined): JsonObject {
  const directive = patchDirective(patch);
  if (directive === 'delete') return {};
  // The patch may hold nulls and directives below: a replacement takes none of them.
  if (directive === 'replace') return withoutDirectives(withoutKey(patch, DIRECTIVE)) as JsonObject;
  const base = Object.hasOwn(patch, RETAIN_KEYS) ? retainKeys(original, patch) : original;
  const out: JsonObject = {};
  for (const key of Object.keys(base)) setKey(out, key, base[key]);
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (key === DIRECTIVE || key === RETAIN_KEYS) continue;
    if (key.startsWith(DELETE_PRIMITIVES)) deletePrimitives(out, key.slice(DELETE_PRIMITIVES.length), value);
    else if (key.startsWith(ELEMENT_ORDER)) continue;
    else if (value === null) delete out[key];
    else setKey(out, key, mergeField(Object.hasOwn(out, key) ? out[key] : undefined, value, placeOf(node, key)));
  }
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(ELEMENT_ORDER)) continue;
    const name = key.slice(ELEMENT_ORDER.length);
    const current = Object.hasOwn(out, name) ? out[name] : undefined;
    if (!Array.isArray(current)) continue;
    setKey(out, name, inOrder(current, list(patch[key], key), patch[name], placeOf(node, name), key));
  }
  return out;
}

function deletePrimitives(out: JsonObject, name: string, value: unknown): void {
  const doomed = list(value, `${DELETE_PRIMITIVES}${name}`);
  const current = Object.hasOwn(out, name) ? out[name] : undefined;
  if (Array.isArray(current))
    setKey(
      out,
      name,
      current.filter((item) => !doomed.includes(item)),
    );
}

function mergeField(original: unknown, patch: unknown, place: Place): unknown {
  if (isJsonObject(patch)) {
    if (place.replace && !Object.hasOwn(patch, DIRECTIVE)) return withoutDirectives(patch);
    return mergeMap(isJsonObject(original) ? original : {}, patch, place.node);
  }
  if (Array.isArray(patch)) {
    if (place.merge) return mergeList(Array.isArray(original) ? original : [], patch, place);
    const replacing = patch.some((item) => isJsonObject(item) && item[DIRECTIVE] === 'replace');
    return replacing
      ? patch.filter((item) => !isJsonObject(item) || item[DIRECTIVE] !== 'replace').map(withoutDirectives)
      : withoutDirectives(patch);
  }
  return patch;
}

function keyOf(item: unknown, mergeKey: string): unknown {
  if (!isJsonObject(item)) throw wrongType('map', item);
  if (!Object.hasOwn(item, mergeKey))
    throw new PatchError(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`, 'BadRequest');
  return item[mergeKey];
}

function mergeList(original: readonly unknown[], patch: readonly unknown[], place: Place): unknown[] {
  const { mergeKey } = place;
  if (mergeKey === undefined) return mergePrimitives(original, patch);
  const item = itemOf(place.node);
  if (patch.some((entry) => isJsonObject(entry) && entry[DIRECTIVE] === 'replace'))
    return patch.filter((entry) => !isJsonObject(entry) || entry[DIRECTIVE] !== 'replace').map(withoutDirectives);
  let out = original.slice();
  for (const entry of patch) {
    if (!isJsonObject(entry)) throw wrongType('map', entry);
    const directive = patchDirective(entry);
    const key = keyOf(entry, mergeKey);
    const matches = (existing: unknown) => isJsonObject(existing) && deepEqual(existing[mergeKey], key);
    if (directive === 'delete') {
      out = out.filter((existing) => !matches(existing));
      continue;
    }
    const at = out.findIndex(matches);
    const existing = out[at];
    if (isJsonObject(existing)) out[at] = mergeMap(existing, entry, item);
    // Into an empty map, so that directives below mean there what they mean anywhere.
    else out.push(mergeMap({}, entry, item));
  }
  return out;
}

function mergePrimitives(original: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const out = original.slice();
  for (const value of patch) {
    if (typeof value === 'object' && value !== null) throw wrongType('scalar', value);
    if (!out.includes(value)) out.push(value);
  }
  return out;
}

/**
 * Orders a merged list as `$setElementOrder` says; elements that only the server has keep their place relative to their
 * neighbours: each goes behind the last ordered element that stood before it.
 */
function inOrder(current: readonly unknown[], order: readonly unknown[], patch: unknown, place: Place, directive: string): unknown[] {
  const { mergeKey } = place;
  const identity = (item: unknown): string => {
    if (mergeKey === undefined || !isJsonObject(item)) return JSON.stringify(item) ?? '';
    return JSON.stringify(keyOf(item, mergeKey));
  };
  const positions = new Map(order.map((item, i) => [identity(item), i]));
  if (Array.isArray(patch)) {
    let last = -1;
    for (const entry of patch) {
      if (isJsonObject(entry) && (entry[DIRECTIVE] === 'delete' || entry[DIRECTIVE] === 'replace')) continue;
      const at = positions.get(identity(entry));
      if (at === undefined || at < last)
        throw new PatchError(
          `The order in patch list:\n${JSON.stringify(patch)}\n doesn't match ${directive} list:\n${JSON.stringify(order)}`,
          'BadRequest',
        );
      last = at;
    }
  }
  const ordered = current.filter((item) => positions.has(identity(item)));
  ordered.sort((a, b) => (positions.get(identity(a)) ?? 0) - (positions.get(identity(b)) ?? 0));
  const serverOnly = current.map((item, i) => ({ item, i })).filter(({ item }) => !positions.has(identity(item)));
  // Upstream merges by original index: a server-only element precedes an ordered one that stood after it.
  const originalIndex = new Map(current.map((item, i) => [identity(item), i]));
  const out: unknown[] = [];
  for (const item of ordered) {
    const index = originalIndex.get(identity(item)) ?? 0;
    while (serverOnly[0] && serverOnly[0].i < index) out.push(serverOnly.shift()?.item);
    out.push(item);
  }
  return [...out, ...serverOnly.map(({ item }) => item)];
}

/**
 * Applies a strategic merge patch to an object of a kind. The object stays as it was, and shares with the result what did not change.
 * @throws PatchError
 */
export function applyStrategicMergePatch(object: unknown, patch: unknown, node: StructNode): unknown {
  if (!isJsonObject(patch))
    throw new PatchError('error decoding patch: json: cannot unmarshal value into Go value of type map[string]interface {}', 'BadRequest');
  return mergeMap(isJsonObject(object) ? object : {}, patch, node);
}
