/**
 * What calls cost when they are made, by the size of what they get and give, in upstream's units: what is not named here costs one
 * (google/cel-go/interpreter/runtimecost.go, ext/lists.go, k8s.io/apiserver/pkg/cel/library/cost.go).
 */
import { perCharacter, perPatternCharacter } from './size-range.ts';
import { characterCount, OpaqueValue, Optional, StructValue } from './values.ts';

function actualSize(value: unknown): number {
  if (typeof value === 'string') return characterCount(value);
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  if (value instanceof StructValue) return value.names.length;
  if (value instanceof OpaqueValue) return value.size;
  return value instanceof Optional && value.hasValue ? actualSize(value.value) : 1;
}

const traversal = (value: unknown, times = 1): number => Math.ceil(actualSize(value) * times * perCharacter);

/** Looking into all that a value holds. */
function deepTraversal(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return Math.floor(actualSize(value) * perCharacter);
  if (Array.isArray(value)) return value.reduce((cost: number, item) => cost + deepTraversal(item), 0);
  if (value instanceof Map) {
    let cost = 0;
    for (const [key, item] of value) cost += deepTraversal(key) + deepTraversal(item);
    return cost;
  }
  return 1;
}

function search(text: unknown, pattern: unknown): number {
  return Math.ceil((1 + actualSize(text)) * perCharacter) * Math.ceil(actualSize(pattern) * perPatternCharacter);
}

/** The call, the list, and what is done for each. */
const newList = (units: number, perUnit = 1) => 11 + Math.floor(units * perUnit);

function selfComparison(list: unknown): number {
  const size = actualSize(list);
  const first: unknown = Array.isArray(list) ? list[0] : undefined;
  return newList(size * size, typeof first === 'string' || first instanceof Uint8Array ? 2 + perCharacter : 2);
}

function setCost([a, b]: readonly unknown[], factor: number): number {
  return 1 + actualSize(a) * actualSize(b) * factor;
}

/** A selector's list and, for every other character at most, a requirement with its values. */
const selectorCost = (length: number) => 10 + Math.ceil(length * perCharacter) + Math.ceil(length * 0.5) * 50;

/** Asking the authorizer: two questions an expression. */
const checkCost = 350_000;

export type Cost = (args: readonly unknown[], result: unknown) => number;

const ofFirst: Cost = ([first]) => traversal(first);
const ofFirstTwice: Cost = ([first]) => traversal(first, 2);
const ofAll: Cost = ([first]) => deepTraversal(first);
const ofSearch: Cost = ([text, pattern]) => search(text, pattern);
const ofResultList: Cost = (_, result) => newList(actualSize(result));
const ofSelfComparison: Cost = ([list]) => selfComparison(list);
const smaller: Cost = ([a, b]) => Math.ceil(Math.min(actualSize(a), actualSize(b)) * perCharacter);
const ofSelector: Cost = ([, selector]) => selectorCost(actualSize(selector));
const ofPrefixes = (cidr: unknown) => Math.ceil(2 * actualSize(cidr) * perCharacter);
const equality: Cost = (args, result) => (args[0] instanceof OpaqueValue ? 1 : smaller(args, result));
const sum: Cost = ([a, b]) => Math.ceil((actualSize(a) + actualSize(b)) * perCharacter);

/** By the function, whichever of its overloads is called: Kubernetes' own. */
const byFunction: Readonly<Record<string, Cost>> = {
  check: () => checkCost,
  fieldSelector: ofSelector,
  labelSelector: ofSelector,
  isSorted: ofAll,
  sum: ofAll,
  max: ofAll,
  min: ofAll,
  indexOf: ofAll,
  lastIndexOf: ofAll,
  url: ofFirst,
  lowerAscii: ofFirst,
  upperAscii: ofFirst,
  substring: ofFirst,
  trim: ofFirst,
  'jsonpatch.escapeKey': ofFirst,
  replace: ofFirstTwice,
  split: ofFirstTwice,
  join: (_, result) => traversal(result, 2),
  find: ofSearch,
  findAll: ofSearch,
  cidr: ofFirst,
  isIP: ofFirst,
  isCIDR: ofFirst,
  ip: ([value]) => (typeof value === 'string' ? traversal(value) : 1),
  'ip.isCanonical': ofFirstTwice,
  quantity: ofFirst,
  isQuantity: ofFirst,
  semver: ofFirst,
  isSemver: ofFirst,
  containsIP: ([cidr, ip]) => ofPrefixes(cidr) + (typeof ip === 'string' ? traversal(ip) : 0),
  containsCIDR: ([cidr, inner]) => ofPrefixes(cidr) + traversal(cidr) + 1 + (typeof inner === 'string' ? traversal(inner) : 0),
  validate: ([format, text]) => Math.ceil((1 + actualSize(text)) * perCharacter) * Math.ceil(actualSize(format) * perPatternCharacter),
  '_==_': equality,
};

/** By the one overload that is called, as its id says: the language's own and its extensions'. */
const byOverload: Readonly<Record<string, Cost>> = {
  matches_string: ofSearch,
  contains_string: ([text, part]) => traversal(text) * traversal(part),
  starts_with_string: ofFirst,
  ends_with_string: ofFirst,
  string_format: ofFirst,
  strings_quote: ofFirst,
  string_to_bytes: ofFirst,
  bytes_to_string: ofFirst,
  in_list: ([, list]) => actualSize(list),
  not_equals: smaller,
  ordered_text: smaller,
  add_text: sum,
  list_sets_contains: (args) => setCost(args, 1),
  list_sets_intersects: (args) => setCost(args, 1),
  list_sets_equivalent: (args) => setCost(args, 2),
  list_slice: ofResultList,
  list_reverse: ofResultList,
  lists_range: ofResultList,
  list_flatten: ([list, depth]) => newList(actualSize(list), typeof depth === 'bigint' ? Number(depth) : 1),
  list_distinct: ofSelfComparison,
  list_sort: ofSelfComparison,
  list_sort_by: ([, keys]) => selfComparison(keys),
};

/**
 * What calls of a function, or of one overload of it, cost; undefined for one. A method's receiver comes first among the arguments;
 * functions in a namespace are named with it.
 */
export function costOfCalls(name: string, overloadId: string | undefined): Cost | undefined {
  if (Object.hasOwn(byFunction, name)) return byFunction[name];
  return overloadId !== undefined && Object.hasOwn(byOverload, overloadId) ? byOverload[overloadId] : undefined;
}
