/**
 * Sets of fields in the form of FieldsV1 (KEP-555): a tree whose keys are `f:NAME` (a field or map key), `k:{...}` (a list item by
 * its key fields), `v:VALUE` (an item of a set) and `i:INDEX`. A node without children is a member; a node with children is one if
 * it has the key `.`. Trees are immutable JSON, stored as they are: there is nothing to decode.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

/** No member at all; as a node inside a tree the same value is a leaf that is a member. */
export const emptySet: FieldSet = Object.freeze({});
const leaf: FieldSet = emptySet;

export const isEmptySet = (set: FieldSet): boolean => {
  for (const _ in set) return false;
  return true;
};

/** Whether a node inside a tree is itself a member. */
const isMember = (node: FieldSet) => Object.hasOwn(node, '.') || isEmptySet(node);

/** A node from its parts; undefined if it is no member and has no children. */
export function makeNode(member: boolean, children: FieldSet): FieldSet | undefined {
  if (isEmptySet(children)) return member ? leaf : undefined;
  return member ? { '.': leaf, ...children } : children;
}

const child = (node: FieldSet, key: string): FieldSet | undefined => (Object.hasOwn(node, key) ? node[key] : undefined);

function unionNodes(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  if (isEmptySet(b)) return isMember(a) ? a : { '.': leaf, ...a };
  if (isEmptySet(a)) return isMember(b) ? b : { '.': leaf, ...b };
  let more: Record<string, FieldSet> | undefined;
  for (const key in b) {
    const theirs = b[key] ?? leaf;
    const mine = child(a, key);
    const both = mine === undefined ? theirs : unionNodes(mine, theirs);
    if (both === mine) continue;
    more ??= key === '.' ? { '.': leaf, ...a } : { ...a };
    more[key] = both;
  }
  return more ?? a;
}

/** Members of either. A set that has all of the other is the answer itself. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  return isEmptySet(b) ? a : unionNodes(a, b);
}

/** What `b` leaves of a node; the node itself where that is all. Sets are as deep as values: one call a level. */
function differenceNodes(a: FieldSet, b: FieldSet, recursive: boolean, isRoot = false): FieldSet | undefined {
  const goes = !isRoot && isMember(b);
  if (recursive && goes) return undefined;
  let left: Record<string, FieldSet> | undefined;
  for (const key in a) {
    const mine = a[key] ?? leaf;
    const theirs = key === '.' ? undefined : child(b, key);
    const kept = key === '.' && goes ? undefined : theirs ? differenceNodes(mine, theirs, recursive) : mine;
    if (left === undefined) {
      if (kept === mine) continue;
      left = {};
      for (const before in a) {
        if (before === key) break;
        left[before] = a[before] ?? leaf;
      }
    }
    if (kept !== undefined) left[key] = kept;
  }
  if (left === undefined) return goes && isEmptySet(a) ? undefined : a;
  const { '.': member, ...children } = left;
  return makeNode(member !== undefined, children);
}

/** Members of `a` that are not members of `b`; `a` itself where that is all of them. */
export const difference = (a: FieldSet, b: FieldSet): FieldSet => differenceNodes(a, b, false, true) ?? emptySet;

/** Members of `a` that are neither members of `b` nor below one; `a` itself where that is all of them. */
export const recursiveDifference = (a: FieldSet, b: FieldSet): FieldSet => differenceNodes(a, b, true, true) ?? emptySet;

function intersectNodes(a: FieldSet, b: FieldSet, root: boolean): FieldSet | undefined {
  let children: Record<string, FieldSet> | undefined;
  for (const key in a) {
    const theirs = key === '.' ? undefined : child(b, key);
    const kept = theirs && intersectNodes(a[key] ?? leaf, theirs, false);
    if (!kept) continue;
    children ??= {};
    children[key] = kept;
  }
  return makeNode(!root && isMember(a) && isMember(b), children ?? emptySet);
}

/** Members of both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return intersectNodes(a, b, true) ?? emptySet;
}

/** What a writer cannot come to own. */
export interface FieldFilter {
  /** These, and all below them. */
  readonly reset?: FieldSet;
  /** Anything but these, what is below them, and what leads to them; `*` is any step. */
  readonly only?: FieldSet;
}

function matching(set: FieldSet, pattern: FieldSet): FieldSet | undefined {
  const children: Record<string, FieldSet> = {};
  for (const key in set) {
    const below = key === '.' ? undefined : (child(pattern, key) ?? child(pattern, '*'));
    const mine = set[key] ?? leaf;
    const kept = below && (isEmptySet(below) ? mine : matching(mine, below));
    if (kept) children[key] = kept;
  }
  return makeNode(isMember(set), children);
}

/** The members that a filter leaves to their writer. */
export function filtered(set: FieldSet, { reset, only }: FieldFilter): FieldSet {
  const left = reset ? recursiveDifference(set, reset) : set;
  return (only && !isEmptySet(left) ? matching(left, only) : left) ?? emptySet;
}

/** The member test and the subtree at one step down, for walking a value along with a set. */
export function step(set: FieldSet, element: string): { member: boolean; below: FieldSet | undefined } {
  const node = child(set, element);
  return { member: node !== undefined && isMember(node), below: node };
}

/** What a value in a path element is compared as: numbers come before texts, those before anything else. */
const rank = (value: unknown) => (typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : 2);

function compareValues(a: unknown, b: unknown): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  const [x, y] = rank(a) === 2 ? [JSON.stringify(a), JSON.stringify(b)] : [a as string, b as string]; // numbers compare as well
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Upstream's order of path elements: by their text, but for the values in list items' keys, which are compared as such. */
function compareElements(a: string, b: string): number {
  const kind = a[0];
  if (a === b || kind === 'f' || kind === '.' || !kind || !b.startsWith(kind)) return a < b ? -1 : a > b ? 1 : 0;
  const [x, y]: unknown[] = [JSON.parse(a.slice(2)), JSON.parse(b.slice(2))];
  if (kind !== 'k') return compareValues(x, y);
  // Both are objects of scalars, whose names are in order.
  const [xs, ys] = [Object.entries(x as object), Object.entries(y as object)];
  for (const [i, [name, value]] of xs.entries()) {
    const [other, otherValue] = ys[i] ?? [];
    if (other === undefined) return 1;
    const order = name === other ? compareValues(value, otherValue) : name < other ? -1 : 1;
    if (order !== 0) return order;
  }
  return xs.length - ys.length;
}

export function isSorted(set: FieldSet): boolean {
  let before = '';
  for (const key in set) {
    if (compareElements(key, before) < 0 || !isSorted(set[key] ?? leaf)) return false;
    before = key;
  }
  return true;
}

/** A tree with its keys in upstream's order, so that equal sets have equal bytes. */
export function sorted(set: FieldSet): FieldSet {
  if (isSorted(set)) return set;
  const out: Record<string, FieldSet> = {};
  for (const key of Object.keys(set).sort(compareElements)) out[key] = sorted(set[key] ?? leaf);
  return out;
}

function isJson(text: string, isValue: (value: unknown) => boolean): boolean {
  try {
    return isValue(JSON.parse(text));
  } catch {
    // Said by what is answered.
    return false;
  }
}

function isElement(key: string): boolean {
  switch (key.slice(0, 2)) {
    case 'f:':
      return true;
    case 'v:':
      return isJson(key.slice(2), () => true);
    case 'k:':
      return isJson(key.slice(2), (value) => typeof value === 'object' && value !== null && !Array.isArray(value));
    case 'i:':
      return /^\d+$/.test(key.slice(2));
    default:
      return key === '.';
  }
}

/** Whether a tree that a client sent is one. Its depth has been limited when its text was parsed. */
export function isFieldSet(value: unknown): value is FieldSet {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  // Just seen to be an object.
  const node = value as Record<string, unknown>;
  for (const key in node) if (!isElement(key) || !isFieldSet(node[key])) return false;
  return true;
}

export function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'i':
      return `[${rest}]`;
    case 'v':
      return `[=${rest}]`;
    default: {
      // Written by keyElement below: an object of scalars.
      const keys = JSON.parse(rest) as Record<string, unknown>;
      return `[${Object.keys(keys)
        .map((k) => `${k}=${JSON.stringify(keys[k])}`)
        .join(',')}]`;
    }
  }
}

/** All members as paths, in upstream's order: `.spec.template.spec.containers[name="web"].image`, those of a node before those below it. */
export function paths(set: FieldSet, prefix = '', found: string[] = []): string[] {
  const keys = Object.keys(set).sort(compareElements);
  for (const key of keys) if (key !== '.' && isMember(set[key] ?? leaf)) found.push(prefix + elementText(key));
  for (const key of keys) if (key !== '.') paths(set[key] ?? leaf, prefix + elementText(key), found);
  return found;
}
