/**
 * Values walked along with their type: which fields one has, what differs between two, merging one into another, and removing
 * fields from one (structured-merge-diff's `typed`).
 */

import { setKey } from '../decode.ts';
import { deepEqual } from '../equality.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Field, ListNode, StructNode, TypeNode } from '../schema/node.ts';
import { elementText, emptySet, type FieldSet, isEmptySet, makeNode, step } from './field-set.ts';

/** A configuration that cannot be merged, e.g. a list item without its key. */
export class ApplyError extends Error {
  override readonly name = 'ApplyError';
}

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

/** How a place in an object is merged. */
export interface Place {
  /** Undefined where nothing is known: the values say what they are, objects are merged, lists are not. */
  node: TypeNode | undefined;
  atomic: boolean;
  listType: 'atomic' | 'map' | 'set';
  listMapKeys: readonly string[];
  /** Of a struct's field: its path element. */
  element?: string;
}

const unknownPlace: Place = { node: undefined, atomic: false, listType: 'atomic', listMapKeys: [] };

/** Any JSON is merged by what it is; only what another API's objects are carried in is owned as a whole. */
const isUnknown = (node: TypeNode) => node.kind === 'raw' && node.typeName !== 'runtime.RawExtension';
const fieldPlaces = new WeakMap<Field, Place>();

function placeOfField(field: Field): Place {
  let place = fieldPlaces.get(field);
  if (!place) {
    const { node } = field;
    place = {
      node: isUnknown(node) ? undefined : node,
      atomic: field.atomic || (node.kind === 'struct' && node.atomic && !field.granular),
      listType: field.listType ?? 'atomic',
      listMapKeys: field.listMapKeys,
      element: `f:${field.name}`,
    };
    fieldPlaces.set(field, place);
  }
  return place;
}

const nodePlaces = new WeakMap<TypeNode, Place>();

/** The place of a list's item or a map's value, of which the table says no more than the type. */
export function placeOfNode(node: TypeNode): Place {
  let place = nodePlaces.get(node);
  if (!place) {
    const { listType = 'atomic', listMapKeys = [] } = node.kind === 'list' ? node : {};
    const atomic = (node.kind === 'struct' || node.kind === 'map') && node.atomic === true;
    place = isUnknown(node) ? unknownPlace : { node, atomic, listType, listMapKeys };
    nodePlaces.set(node, place);
  }
  return place;
}

export function placeBelow(node: TypeNode | undefined, key: string): Place {
  if (!node) return unknownPlace;
  if (node.kind === 'map') return placeOfNode(node.value);
  const field = node.kind === 'struct' ? node.byName.get(key) : undefined;
  return field ? placeOfField(field) : unknownPlace;
}

/** The place of a list's items, where it is one. */
export const placeOfItem = ({ node }: Place): Place => (node?.kind === 'list' ? placeOfNode(node.item) : unknownPlace);

/** Whether what would have parts is owned as a whole: the type says that it is atomic. */
export const isWhole = ({ node, atomic, listType }: Place): boolean => atomic || (node?.kind === 'list' && listType === 'atomic');

/** The path element of a field or a map's key; `place`: what is below it. */
const elementOf = (place: Place, key: string): string => place.element ?? `f:${key}`;

type Shape = 'map' | 'list' | 'leaf';

/** What the type makes of a place, or else of a value in it. */
function shapeOf({ node, atomic, listType }: Place, value: unknown): Shape {
  if (atomic) return 'leaf';
  if (!node) return isJsonObject(value) ? 'map' : 'leaf';
  if (node.kind === 'struct' || node.kind === 'map') return 'map';
  return node.kind === 'list' && listType !== 'atomic' ? 'list' : 'leaf';
}

const itemNodeOf = (place: Place): TypeNode => (place.node as ListNode).item;

/** The path element that names a list item: `k:{"name":"web"}` or `v:"x"`. */
function itemElement(place: Place, item: unknown, strict: boolean, index = 0): string {
  if (place.listType === 'set') return `v:${JSON.stringify(item ?? null)}`;
  const node = itemNodeOf(place);
  const key: JsonObject = {};
  for (const name of [...place.listMapKeys].sort()) {
    const given = isJsonObject(item) ? item[name] : undefined;
    const value = isAbsent(given) && node.kind === 'struct' ? node.byName.get(name)?.default : given;
    if (value === undefined && strict && !zeroKey(node, name))
      throw new ApplyError(
        `element ${index}: associative list with keys has an element that omits key field ${JSON.stringify(name)} (and doesn't have default value)`,
      );
    if (value !== undefined) key[name] = value;
  }
  return `k:${JSON.stringify(key)}`;
}

/** A key field that may be absent because omitempty drops its zero value. */
function zeroKey(node: TypeNode, name: string): boolean {
  const field = node.kind === 'struct' ? node.byName.get(name) : undefined;
  return field?.optional === true && !field.pointer;
}

/** A list's items by their path elements; of items with the same element, all. */
function itemsByElement(place: Place, list: readonly unknown[], strict = false): Map<string, unknown[]> {
  const out = new Map<string, unknown[]>();
  for (const [i, item] of list.entries()) {
    const element = itemElement(place, item, strict, i);
    const same = out.get(element);
    if (!same) out.set(element, [item]);
    else if (strict) throw new ApplyError(`duplicate entries for key ${elementText(element)}`);
    else same.push(item);
  }
  return out;
}

interface Child {
  element: string;
  item: unknown;
  inner: Place;
}

/** The children of a map or list by path element. A list of them rather than a visitor: what walks deep values has one call a level. */
function childrenOf(place: Place, value: unknown, strict: boolean): Child[] {
  const { node } = place;
  const shape = shapeOf(place, value);
  const children: Child[] = [];
  if (shape === 'map' && isJsonObject(value)) {
    for (const key of Object.keys(value)) {
      if (value[key] === undefined) continue;
      const inner = placeBelow(node, key);
      children.push({ element: elementOf(inner, key), item: value[key], inner });
    }
  } else if (shape === 'list' && Array.isArray(value)) {
    const inner = placeOfNode(itemNodeOf(place));
    // Of items that repeat a key nobody can tell whose parts are whose.
    const repeated = { ...inner, atomic: true };
    for (const [element, [item, ...others]] of itemsByElement(place, value, strict))
      children.push({ element, item, inner: others.length > 0 ? repeated : inner });
  }
  return children;
}

const isEmptyContainer = (value: unknown) =>
  isAbsent(value) || (Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0);

/** Every node of a value that came as a whole. */
function wholeSet(place: Place, value: unknown): FieldSet {
  if (shapeOf(place, value) === 'leaf') return emptySet;
  let children: Record<string, FieldSet> | undefined;
  for (const { element, item, inner } of childrenOf(place, value, false)) {
    children ??= { '.': emptySet };
    children[element] = wholeSet(inner, item);
  }
  return children ?? emptySet;
}

function fieldSet(place: Place, value: unknown, path: string, strict: boolean): FieldSet {
  const children: Record<string, FieldSet> = {};
  try {
    for (const { element, item, inner } of childrenOf(place, value, strict)) {
      const at = element.startsWith('f:') ? `${path}.${element.slice(2)}` : path;
      const shape = shapeOf(inner, item);
      const below = shape === 'leaf' ? emptySet : fieldSet(inner, item, at, strict);
      const isField = element.startsWith('f:') && place.node?.kind === 'struct' && place.node.byName.has(element.slice(2));
      const isNamed = !isField || shape === 'leaf' || item === null || (shape === 'map' && isEmptyContainer(item));
      const node = makeNode(isNamed, { ...below });
      if (node) children[element] = node;
    }
  } catch (error) {
    if (error instanceof ApplyError && !error.message.startsWith('.')) throw new ApplyError(`${path}: ${error.message}`);
    throw error;
  }
  return children;
}

/**
 * The fields that an applied configuration names.
 * @throws ApplyError where a list item lacks its key or repeats another's
 */
export function namedFields(node: StructNode, config: unknown): FieldSet {
  return fieldSet(placeOfNode(node), config, '', true);
}

/** The fields of an object, which may hold what a configuration may not: items without a key, or that repeat one. */
export function fieldsOf(node: StructNode, value: unknown): FieldSet {
  return fieldSet(placeOfNode(node), value, '', false);
}

export interface Comparison {
  /** Fields that are new or have another value. */
  changed: FieldSet;
  removed: FieldSet;
}

/** What changed and what was removed at a place and below it. */
type Difference = readonly [changed: FieldSet | undefined, removed: FieldSet | undefined];

const same: Difference = [undefined, undefined];

const emptyMap: JsonObject = {};

/** What there is at one path element before and after; undefined where there is nothing. */
interface Pair {
  element: string;
  before: unknown;
  after: unknown;
  inner: Place;
}

/** The members of two maps that are not the same by reference. */
function mapPairs({ node }: Place, left: unknown, right: unknown): Pair[] {
  const before = isJsonObject(left) ? left : emptyMap;
  const after = isJsonObject(right) ? right : emptyMap;
  const pairs: Pair[] = [];
  for (const key in after) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (old === after[key]) continue;
    const inner = placeBelow(node, key);
    pairs.push({ element: elementOf(inner, key), before: old, after: after[key], inner });
  }
  for (const key in before) {
    if (Object.hasOwn(after, key) || before[key] === undefined) continue;
    pairs.push({ element: `f:${key}`, before: before[key], after: undefined, inner: placeBelow(node, key) });
  }
  return pairs;
}

/** The items of two lists. Items that repeat a key are compared as one: as atoms. */
function listPairs(place: Place, left: unknown, right: unknown): Pair[] {
  const before = itemsByElement(place, Array.isArray(left) ? left : []);
  const after = itemsByElement(place, Array.isArray(right) ? right : []);
  const inner = placeOfNode(itemNodeOf(place));
  const pairs: Pair[] = [];
  for (const [element, items] of after) {
    const old = before.get(element);
    if (items.length > 1 || (old && old.length > 1)) pairs.push({ element, before: old, after: items, inner: { ...inner, atomic: true } });
    else pairs.push({ element, before: old?.[0], after: items[0], inner });
  }
  for (const [element, [item]] of before) if (!after.has(element)) pairs.push({ element, before: item, after: undefined, inner });
  return pairs;
}

function diff(place: Place, left: unknown, right: unknown): Difference {
  if (left === right) return same;
  // Null takes the shape of the other.
  const shape = shapeOf(place, right ?? left);
  if (shapeOf(place, left ?? right) !== shape) return [makeNode(true, wholeSet(place, right)), makeNode(false, wholeSet(place, left))];
  if (shape === 'leaf' || (isEmptyContainer(left) && isEmptyContainer(right))) return deepEqual(left, right) ? same : [emptySet, undefined];
  let changed: Record<string, FieldSet> | undefined;
  let removed: Record<string, FieldSet> | undefined;
  for (const { element, before, after, inner } of shape === 'map' ? mapPairs(place, left, right) : listPairs(place, left, right)) {
    // Deep values have one call a level.
    const [more, less] =
      before === undefined
        ? [wholeSet(inner, after), undefined]
        : after === undefined
          ? [undefined, wholeSet(inner, before)]
          : diff(inner, before, after);
    if (more) {
      changed ??= {};
      changed[element] = more;
    }
    if (less) {
      removed ??= {};
      removed[element] = less;
    }
  }
  return changed === undefined && removed === undefined ? same : [changed, removed];
}

/** What differs between two objects of a type; parts shared by reference cost nothing. */
export function compare(node: StructNode, left: unknown, right: unknown): Comparison {
  const [changed = emptySet, removed = emptySet] = diff(placeOfNode(node), left, right);
  return { changed, removed };
}

function mergeLists(place: Place, live: readonly unknown[], config: readonly unknown[]): unknown[] {
  const inner = placeOfNode(itemNodeOf(place));
  const ours = config.map((item, i) => [itemElement(place, item, true, i), item] as const);
  const named = new Set(ours.map(([element]) => element));
  const theirs = live.map((item) => [itemElement(place, item, false), item] as const);
  const inLive = new Map(theirs.toReversed());
  const shared = ours.map(([element]) => element).filter((element) => inLive.has(element));
  const out: unknown[] = [];
  const placed = new Set<string>();
  // The configuration's order holds; items that only the live object has stay where they are between the shared ones.
  for (let [l, r, s] = [0, 0, 0]; l < theirs.length || r < ours.length; ) {
    const [element, item] = theirs[l] ?? [];
    const isNext = element !== undefined && element === ours[r]?.[0];
    if (element !== undefined && !isNext) {
      if (!named.has(element)) {
        out.push(item);
        l++;
        continue;
      }
      if (r < ours.length && s < shared.length && shared[s] !== element) {
        l++;
        continue;
      }
      if (placed.has(element)) l++;
    }
    const mine = ours[r];
    if (!mine) continue;
    const [name, value] = mine;
    out.push(inLive.has(name) ? mergeValue(inner, inLive.get(name), value) : value);
    placed.add(name);
    r++;
    if (isNext) l++;
    if (shared[s] === name) s++;
  }
  return out;
}

function mergeValue(place: Place, live: unknown, config: unknown): unknown {
  if (config === undefined) return live;
  const { node } = place;
  const shape = shapeOf(place, config);
  if (shape === 'map' && isJsonObject(live) && isJsonObject(config)) {
    const out: JsonObject = {};
    for (const key of Object.keys(live)) setKey(out, key, live[key]);
    for (const key of Object.keys(config))
      setKey(out, key, mergeValue(placeBelow(node, key), Object.hasOwn(live, key) ? live[key] : undefined, config[key]));
    return out;
  }
  if (shape === 'list' && Array.isArray(live) && Array.isArray(config)) return mergeLists(place, live, config);
  return config;
}

/** The live object with what a configuration says put in; both stay as they were. */
export function merge(node: StructNode, live: unknown, config: unknown): unknown {
  return mergeValue(placeOfNode(node), live, config);
}

function named(place: Place, set: FieldSet): FieldSet {
  const { node } = place;
  const out: Record<string, FieldSet> = {};
  for (const element of Object.keys(set)) {
    const below = set[element] ?? emptySet;
    if (element === '.' || isEmptySet(below)) out[element] = emptySet;
    else {
      const isName = element.startsWith('f:');
      const inner = isName ? placeBelow(node, element.slice(2)) : placeOfItem(place);
      const isField = isName && node?.kind === 'struct' && node.byName.has(element.slice(2));
      out[element] = { ...(isField ? { '.': emptySet } : {}), ...named(inner, below) };
    }
  }
  return out;
}

/** Counts every field of a struct on the way to a member as a member too (`EnsureNamedFieldsAreMembers`). */
export function withNamedFields(node: StructNode, set: FieldSet): FieldSet {
  return named(placeOfNode(node), set);
}

/** Null for what has lost all it had, as long as it is not itself to go: who owns it as such goes on doing so. */
function without(place: Place, value: unknown, doomed: FieldSet): unknown {
  const { node } = place;
  const shape = shapeOf(place, value);
  if (shape === 'map' && isJsonObject(value)) {
    const out: JsonObject = {};
    for (const key of Object.keys(value)) {
      const { member, below } = step(doomed, `f:${key}`);
      if (!member) setKey(out, key, below ? without(placeBelow(node, key), value[key], below) : value[key]);
    }
    return Object.keys(out).length > 0 ? out : null;
  }
  if (shape === 'list' && Array.isArray(value)) {
    const inner = placeOfNode(itemNodeOf(place));
    const out: unknown[] = [];
    for (const item of value) {
      const { member, below } = step(doomed, itemElement(place, item, false));
      const kept = below && !member ? without(inner, item, below) : item;
      // Without all its fields an item has no key either.
      if (!member && kept !== null) out.push(kept);
    }
    return out.length > 0 ? out : null;
  }
  // Nothing is below a leaf, but a whole that was owned by its parts before the type made it one.
  return place.atomic || Array.isArray(value) ? null : value;
}

/** A value without the members of a set. */
export function removeItems(node: StructNode, value: unknown, doomed: FieldSet): unknown {
  return isEmptySet(doomed) ? value : (without(placeOfNode(node), value, doomed) ?? {});
}
