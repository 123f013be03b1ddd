/**
 * What calls cost at most and how large their results are, in the units of google/cel-go/checker/cost.go and
 * k8s.io/apiserver/pkg/cel/library/cost.go. What is not named here costs one.
 */

import type { Overload } from './declarations.ts';
import { sortByKeys } from './macros.ts';
import { costOf, perCharacter, perPatternCharacter, product, range, type SizeRange, sum, times, unknownSize } from './size-range.ts';
import { type CelType, isOptional } from './types.ts';

/** What is known of a value without evaluating. */
export interface Operand {
  readonly size: SizeRange | undefined;
  readonly type: CelType;
  /** The sizes of a list's items, where they are bounded. */
  readonly itemSize: SizeRange | undefined;
  /** The value itself, if it is written out. */
  readonly literal?: unknown;
}

export interface CallEstimate {
  readonly cost: SizeRange;
  readonly size?: SizeRange;
}

/** The values of all attributes of a device. */
const maxIncludedValues = 48;
/** What is known of named formats. */
const maxFormatCharacters = 64;

const one: CallEstimate = { cost: range(1) };
const sizeOf = ({ size }: Operand): SizeRange => size ?? unknownSize;
const isText = (type: CelType | undefined) => type?.kind === 'string' || type?.kind === 'bytes';
const traversal = (size: SizeRange): SizeRange => costOf(size, perCharacter);

function comparison(a: Operand, b: Operand): SizeRange {
  const most = Math.min(sizeOf(a).max, sizeOf(b).max);
  return traversal(range(most > 0 ? 1 : 0, most));
}

function addition(overload: Overload, a: Operand, b: Operand): CallEstimate {
  const size = sum(sizeOf(a), sizeOf(b));
  if (overload.result.kind === 'list') return { cost: range(1), size };
  return overload.id === 'add_text' ? { cost: traversal(size), size } : one;
}

/** Kubernetes' own types are compared at once, but for those that are texts. */
function opaqueComparison({ type }: Operand, b: Operand): CallEstimate | undefined {
  if (type.kind !== 'opaque' || b.type.name !== type.name || isOptional(type)) return undefined;
  if (type.name === 'kubernetes.NamedFormat') return { cost: traversal(range(1, maxFormatCharacters)) };
  return type.name === 'kubernetes.URL' ? { cost: traversal(range(1, b.size?.max ?? 1)) } : one;
}

function estimateOperator(op: string, overload: Overload, a: Operand, b: Operand): CallEstimate {
  if (op === '_==_') return opaqueComparison(a, b) ?? { cost: comparison(a, b) };
  if (op === '_+_') return addition(overload, a, b);
  switch (overload.id) {
    case 'not_equals':
    case 'ordered_text':
      return { cost: comparison(a, b) };
    case 'in_list':
      return { cost: sizeOf(b) };
    default:
      return one;
  }
}

/** A search by regular expression: by text and pattern. An empty text still has one place to match at. */
function search(text: Operand, pattern: Operand): SizeRange {
  return product(traversal(sum(sizeOf(text), range(1))), costOf(sizeOf(pattern), perPatternCharacter));
}

/** Looks at each item once, and into those that are texts. */
function listTraversal(list: Operand): CallEstimate {
  const [item] = list.type.params;
  if (!item) return { cost: traversal(sizeOf(list)) };
  const each = isText(item) ? sum(range(1), traversal(list.itemSize ?? unknownSize)) : range(1);
  return { cost: product(sizeOf(list), each) };
}

function replacement(text: SizeRange, from: SizeRange, to: SizeRange): SizeRange {
  // An empty text is found around every character; otherwise the smallest is replaced by the largest as often as there is room.
  const most =
    from.min === 0 ? times(text.max + 1, to.max) + text.max : to.max <= from.min ? text.max : times(Math.ceil(text.max / from.min), to.max);
  const least =
    from.max === 0 ? times(text.min + 1, to.min) + text.min : from.max <= to.min ? text.min : times(Math.ceil(text.min / from.max), to.min);
  return range(least, most);
}

function joined(list: Operand, separator: Operand | undefined): SizeRange {
  const items = sizeOf(list);
  const texts = list.type.params.length > 0 ? product(items, list.itemSize ?? unknownSize) : range(0);
  if (!separator) return texts;
  return sum(texts, product(sizeOf(separator), range(Math.max(0, items.min - 1), Math.max(0, items.max - 1))));
}

/** A function that makes a list: the call, the list, and `perUnit` for each of `units`. */
const newList = (units: SizeRange, perUnit = 1): CallEstimate => ({ cost: sum(costOf(units, perUnit), range(11)), size: units });

const literalCount = (operand: Operand | undefined, otherwise: number) =>
  typeof operand?.literal === 'bigint' && operand.literal >= 0n ? Number(operand.literal) : otherwise;

/** Every item is compared with every other. */
function selfComparison({ size = unknownSize, type }: Operand): CallEstimate {
  return newList(product(size, size), isText(type.params[0]) ? 2 + perCharacter : 2);
}

/** The functions of google/cel-go/ext/lists.go, from version 3. */
function estimateListMethod(name: string, list: Operand, args: readonly Operand[]): CallEstimate {
  const size = sizeOf(list);
  switch (name) {
    case 'slice':
      return newList(range(Math.max(0, literalCount(args[1], size.max) - literalCount(args[0], 0))));
    case 'reverse':
      return newList(size);
    case 'flatten':
      return newList(size, args.length === 0 ? 1 : literalCount(args[0], Number.POSITIVE_INFINITY));
    case 'distinct':
    case 'sort':
      return selfComparison(list);
    case sortByKeys:
      return args[0] ? selfComparison(args[0]) : one;
    default:
      return one;
  }
}

/** A selector's list and, for every other character at most, a requirement with its values. */
const selector = (length: SizeRange): SizeRange => sum(range(10), traversal(length), costOf(costOf(length, 0.5), 50));

/** The addresses of an IP have 4 or 16 bytes. */
const addressBytes = range(4, 16);
/** The longest of the patterns behind `format.named()`. */
const formatPatternCharacters = 128;

function estimateMethod(name: string, target: Operand, args: readonly Operand[]): CallEstimate {
  const [first, second] = args;
  const size = sizeOf(target);
  switch (name) {
    case 'check':
      return { cost: range(350_000) };
    case 'fieldSelector':
    case 'labelSelector':
      return first ? { cost: selector(sizeOf(first)) } : one;
    case 'isSorted':
    case 'sum':
    case 'max':
    case 'min':
    case 'indexOf':
    case 'lastIndexOf':
      return listTraversal(target);
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
      return { cost: traversal(size), size };
    case 'replace':
      if (!first || !second) return one;
      return { cost: costOf(size, 2 * perCharacter), size: replacement(size, sizeOf(first), sizeOf(second)) };
    case 'split': {
      return { cost: costOf(size, 2 * perCharacter), size: range(0, literalCount(second, size.max)) };
    }
    case 'join': {
      const text = joined(target, first);
      return { cost: traversal(text), size: text };
    }
    case 'find':
    case 'findAll':
      return first ? { cost: search(target, first), size: range(0, size.max) } : one;
    case 'matches':
      return first ? { cost: search(target, first) } : one;
    case 'contains':
      return first ? { cost: product(traversal(size), traversal(sizeOf(first))) } : one;
    case 'startsWith':
    case 'endsWith':
      return first ? { cost: traversal(sizeOf(first)) } : one;
    case 'format':
      return { cost: traversal(size) };
    case 'includes':
      return { cost: range(0, maxIncludedValues) };
    case 'containsIP': {
      const cost = traversal(sum(addressBytes, addressBytes));
      return { cost: first && isText(first.type) ? sum(cost, traversal(sizeOf(first))) : cost };
    }
    case 'containsCIDR': {
      const cost = sum(traversal(sum(addressBytes, addressBytes)), traversal(addressBytes), range(1));
      return { cost: first && isText(first.type) ? sum(cost, traversal(sizeOf(first))) : cost };
    }
    case 'validate':
      return first ? { cost: costOf(traversal(sizeOf(first)), formatPatternCharacters * perPatternCharacter) } : one;
    default:
      return target.type.kind === 'list' ? estimateListMethod(name, target, args) : one;
  }
}

function estimateFunction(name: string, overload: Overload, args: readonly Operand[]): CallEstimate {
  const [first, second] = args;
  if (!first) return one;
  if (second && /^[_@]/.test(name)) return estimateOperator(name, overload, first, second);
  const size = sizeOf(first);
  switch (name) {
    case 'cidr':
    case 'ip':
    case 'isCIDR':
    case 'isIP':
    case 'isQuantity':
    case 'isSemver':
    case 'quantity':
    case 'semver':
      return { cost: traversal(size) };
    case 'ip.isCanonical':
      return { cost: costOf(size, 2 * perCharacter) };
    case 'url':
    case 'jsonpatch.escapeKey':
      return { cost: traversal(size), size };
    case 'bytes':
      if (overload.id !== 'string_to_bytes') return one;
      return { cost: traversal(size), size: range(size.min, size.max * 4) };
    case 'string':
      return overload.id === 'bytes_to_string' ? { cost: traversal(size), size: range(Math.floor(size.min / 4), size.max) } : one;
    case 'strings.quote':
      return { cost: traversal(size), size: range(size.min + 2, size.max * 2 + 2) };
    case 'lists.range':
      return newList(range(literalCount(first, Number.POSITIVE_INFINITY)));
    case 'sets.contains':
    case 'sets.intersects':
    case 'sets.equivalent': {
      const pairs = product(size, second ? sizeOf(second) : unknownSize);
      return { cost: sum(costOf(pairs, name === 'sets.equivalent' ? 2 : 1), range(1)) };
    }
    default:
      return one;
  }
}

/** What a call of one overload costs. */
export function estimateCall(name: string, overload: Overload, target: Operand | undefined, args: readonly Operand[]): CallEstimate {
  return target ? estimateMethod(name, target, args) : estimateFunction(name, overload, args);
}
