/**
 * Strategic merge patch (`k8s.io/apimachinery/pkg/util/strategicpatch`): a merge patch in which lists that have a merge key in the
 * table are merged by it, with the directives `$patch`, `$retainKeys`, `$setElementOrder/FIELD` and `$deleteFromPrimitiveList/FIELD`.
 */

import { setKey } from '../decode.ts';
import { goType, goValue } from '../go-values.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { StructNode, TypeNode } from '../schema/node.ts';
import { PatchError } from './json-patch.ts';
import { byIdentity, identityOf, inOrder, type MergeKey, mergeKeyOf, partition, wrongType } from './merge-lists.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ELEMENT_ORDER = '$setElementOrder';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList';

/** What the table says of a place: the type below it, and how a patch treats it. */
interface Place {
  node: TypeNode | undefined;
  /** Of an element of the list that is there. */
  item: TypeNode | undefined;
  merge: boolean;
  replace: boolean;
  mergeKey: MergeKey;
}

/** Kinds as Go's reflection has them. */
const goKinds: Partial<Record<TypeNode['kind'], string>> = { list: 'slice', bytes: 'slice', raw: 'struct', bool: 'bool', int: 'int32' };
const goKind = (node: TypeNode | undefined) => (node ? (goKinds[node.kind] ?? (node.kind === 'map' ? 'map' : 'string')) : 'struct');

const unknown = (message: string) => new PatchError(message, 'Unknown');

/** Upstream merges no deeper than it knows types: a field that a struct has not is an error, and so is a map of maps. */
function placeOf(node: TypeNode | undefined, key: string): Place {
  if (node && node.kind !== 'struct' && node.kind !== 'raw' && node.kind !== 'union')
    throw unknown(`merging an object in json but data type is not struct, instead is: ${goKind(node)}`);
  const field = node?.kind === 'struct' ? node.byName.get(key) : undefined;
  if (!field) {
    const name = node?.goType.replace(/^.*\./, '') ?? '';
    throw unknown(`unable to find api field in struct ${name} for the json field ${JSON.stringify(key)}`);
  }
  return {
    node: field.node,
    item: field.node.kind === 'list' ? field.node.item : undefined,
    merge: field.patchStrategy.includes('merge'),
    replace: field.patchStrategy.includes('replace'),
    mergeKey: field.patchMergeKey,
  };
}

function listPlaceOf(node: TypeNode | undefined, key: string): Place {
  const place = placeOf(node, key);
  if (place.node?.kind !== 'list') throw unknown('expected slice or array type, but got: struct');
  return place;
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw wrongType('[]interface {}', value);
  return value;
}

/** The field that a directive such as `$setElementOrder/containers` is about. */
function fieldOf(key: string, directive: string, what: string): string {
  if (key[directive.length] !== '/') throw new PatchError(`invalid patch format of ${what} list`, 'BadRequest');
  return key.slice(directive.length + 1);
}

const own = (object: JsonObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined);

function without(object: JsonObject, doomed: (key: string, value: unknown) => boolean): JsonObject {
  const out: JsonObject = {};
  for (const key of Object.keys(object)) if (!doomed(key, object[key])) setKey(out, key, object[key]);
  return out;
}

/** What a place that has held nothing of the kind takes from a patch: no nulls, and nothing that says what to do with what is there. */
function fresh(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isStanding(item)).map(fresh);
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member !== null && !isStanding(member)) setKey(out, key, fresh(member));
  }
  return out;
}

/** As fresh, but for nulls: of a list that comes with its order. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isDirective(item)).map(withoutDirectives);
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value)) if (!isDirective(value[key])) setKey(out, key, withoutDirectives(value[key]));
  return out;
}

const isDirective = (value: unknown) => isJsonObject(value) && Object.hasOwn(value, DIRECTIVE);
/** A directive that is null is a null first of all. */
const isStanding = (value: unknown) => isDirective(value) && (value as JsonObject)[DIRECTIVE] !== null;

function unknownDirective(directive: unknown, patch: JsonObject): PatchError {
  const shown =
    typeof directive === 'string' ? directive : directive === null ? '%!s(<nil>)' : `%!s(${goType(directive)}=${goValue(directive)})`;
  return unknown(`unknown patch type: ${shown} in map: ${goValue(patch)}`);
}

/** What stays of a map of which a patch says what it keeps. */
function retained(original: JsonObject, patch: JsonObject): JsonObject {
  const invalid = () => new PatchError('invalid patch format of retainKeys', 'BadRequest');
  const list = patch[RETAIN_KEYS];
  if (!Array.isArray(list)) throw invalid();
  const keep = new Set(list);
  for (const key of Object.keys(patch)) {
    const isAside = key === RETAIN_KEYS || patch[key] === null || key.startsWith(DELETE_PRIMITIVES) || key.startsWith(ELEMENT_ORDER);
    if (!isAside && !keep.has(key)) throw invalid();
  }
  return without(original, (key) => !keep.has(key));
}

function mergeMap(original: JsonObject, patch: JsonObject, node: TypeNode | undefined): JsonObject {
  if (Object.hasOwn(patch, DIRECTIVE)) {
    const directive = patch[DIRECTIVE];
    if (directive === 'replace') return without(patch, (key) => key === DIRECTIVE);
    if (directive === 'delete') return {};
    throw unknownDirective(directive, patch);
  }
  const out = Object.hasOwn(patch, RETAIN_KEYS) ? retained(original, patch) : without(original, () => false);
  const done = new Set([RETAIN_KEYS]);
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(ELEMENT_ORDER)) continue;
    done.add(key);
    const name = mergeOrdered(out, patch, key, node);
    if (name !== undefined) done.add(name);
  }
  const isDeleteList = (key: string) => key.startsWith(DELETE_PRIMITIVES);
  // What goes, goes first: upstream takes them in any order.
  for (const deletes of [true, false])
    for (const key of Object.keys(patch))
      if (!done.has(key) && isDeleteList(key) === deletes) mergeMember(out, key, patch[key], node, deletes);
  return out;
}

/** Merges a list whose order the patch gives; answers its field, if there is such a list. */
function mergeOrdered(out: JsonObject, patch: JsonObject, key: string, node: TypeNode | undefined): string | undefined {
  const order = asList(patch[key]);
  const name = fieldOf(key, ELEMENT_ORDER, 'setElementOrder');
  const [original, patched] = [out, patch].map((object) => (Object.hasOwn(object, name) ? asList(object[name]) : undefined));
  const place = listPlaceOf(node, name);
  const { mergeKey } = place;
  if (patched) validateOrder(patched, order, mergeKey);
  if (!original && !patched) return undefined;
  const merged = !original ? (withoutDirectives(patched) as unknown[]) : patched ? mergeSlice(original, patched, place, false) : original;
  const parts = partition(merged, order, mergeKey);
  setKey(
    out,
    name,
    inOrder(parts, order, original ?? [], elementKind([original ?? [], patched ?? []]) === 'map[string]interface {}', mergeKey),
  );
  return name;
}

/** What is patched comes in the order that the patch gives. */
function validateOrder(patched: readonly unknown[], order: readonly unknown[], mergeKey: MergeKey): void {
  if (order.length === 0 || patched.length === 0) return;
  if (mergeKey !== undefined) for (const item of patched) if (!isJsonObject(item)) throw wrongType('map[string]interface {}', item);
  let at = 0;
  for (const item of patched) {
    if (mergeKey !== undefined && own(item as JsonObject, DIRECTIVE) === 'delete') continue;
    if (!isDirective(item)) while (at < order.length && identityOf(order[at], mergeKey) !== identityOf(item, mergeKey)) at++;
    if (at === order.length)
      throw unknown(`The order in patch list:\n${goValue(patched)}\n doesn't match ${ELEMENT_ORDER} list:\n${goValue(order)}\n`);
    if (!isDirective(item)) at++;
  }
}

function mergeMember(out: JsonObject, key: string, value: unknown, node: TypeNode | undefined, isDeleteList: boolean): void {
  const name = isDeleteList ? fieldOf(key, DELETE_PRIMITIVES, 'primitive') : key;
  if (value === null) {
    delete out[name];
    return;
  }
  const original = own(out, name);
  if (isJsonObject(original) && isJsonObject(value)) {
    const place = placeOf(node, name);
    setKey(out, name, place.replace ? value : mergeMap(original, value, place.node));
  } else if (Array.isArray(original) && original.length > 0 && Array.isArray(value)) {
    // What upstream has as null, and takes a patch's list for, is an empty list here.
    const place = listPlaceOf(node, name);
    setKey(out, name, mergeSlice(original, value, place, isDeleteList));
  } else if (isDeleteList) return;
  else if (isStanding(value)) delete out[name];
  else setKey(out, name, fresh(value));
}

/** The type of all elements of some lists. */
function elementKind(lists: readonly (readonly unknown[])[]): string {
  let kind: string | undefined;
  for (const list of lists)
    for (const item of list) {
      const found = goType(item);
      if (found === '[]interface {}' && kind === undefined) throw new PatchError('lists of lists are not supported');
      kind ??= found;
      if (found !== kind) throw unknown(`list element types are not identical: ${goValue(lists)}`);
    }
  if (kind === undefined) throw unknown('no elements in any of the given slices');
  return kind;
}

function mergeSlice(original: readonly unknown[], patch: readonly unknown[], place: Place, isDeleteList: boolean): unknown[] {
  if (!place.merge && !isDeleteList) return [...patch];
  if (original.length === 0 && patch.length === 0) return [];
  const { mergeKey } = place;
  const areMaps = elementKind([original, patch]) === 'map[string]interface {}';
  if (!areMaps) {
    const named = new Set(patch);
    if (isDeleteList) return original.filter((item) => !named.has(item));
    return inOrder(partition([...new Set([...original, ...named])], patch, mergeKey), patch, original, false, mergeKey);
  }
  if (mergeKey === undefined) throw unknown(`cannot merge lists without merge key for ${goKind(place.item)}`);
  const [kept, merging] = obeyDirectives(original as JsonObject[], patch as JsonObject[], mergeKey); // as elementKind has found
  const merged = mergeItems(kept, merging, mergeKey, place.item);
  return inOrder(partition(merged, merging, mergeKey), merging, kept, true, mergeKey);
}

/** What of the original stays, and what is left to be merged into it. */
function obeyDirectives(original: JsonObject[], patch: JsonObject[], mergeKey: string): [original: JsonObject[], patch: JsonObject[]] {
  const rest: JsonObject[] = [];
  const deleted = new Set<unknown>();
  let replaces = false;
  for (const entry of patch) {
    const directive = own(entry, DIRECTIVE);
    if (!isDirective(entry)) rest.push(entry);
    else if (directive === 'delete') deleted.add(mergeKeyOf(entry, mergeKey));
    else if (directive === 'replace') replaces = true;
    else if (directive === 'merge') throw unknown('merging lists cannot yet be specified in the patch');
    else throw unknownDirective(directive, entry);
  }
  if (replaces) return [rest, []];
  return [original.filter((item) => !Object.hasOwn(item, mergeKey) || !deleted.has(item[mergeKey])), rest];
}

function mergeItems(
  original: readonly JsonObject[],
  patch: readonly JsonObject[],
  mergeKey: string,
  node: TypeNode | undefined,
): JsonObject[] {
  const out = [...original];
  const places = byIdentity(out.map((item) => own(item, mergeKey)));
  for (const entry of patch) {
    const key = mergeKeyOf(entry, mergeKey);
    const at = places.get(key);
    const existing = at === undefined ? undefined : out[at];
    if (at !== undefined && existing !== undefined) out[at] = mergeMap(existing, entry, node);
    else places.set(key, out.push(entry) - 1);
  }
  return out;
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
