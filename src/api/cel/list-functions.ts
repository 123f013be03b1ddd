/** Functions of lists and sets (k8s.io/apiserver/pkg/cel/library/lists.go, google/cel-go/ext/lists.go version 3, ext/sets.go). */
import { type Environment, member, overload } from './declarations.ts';
import { sortByKeys } from './macros.ts';
import { CostError, perCallLimit, work } from './metering.ts';
import { comparable, intOf, uintOf } from './operators.ts';
import { durationOf, minSeconds, secondsOf } from './times.ts';
import { boolType, doubleType, durationType, dynType, intType, listOf, optionalOfType, sameType, typeParam, uintType } from './types.ts';
import { CelError, compareValues, Duration, noSuchOverload, Optional, StructValue, sameValue, Timestamp, typeOf, Uint } from './values.ts';

const item = typeParam('T');
const items = listOf(item);

type List = readonly unknown[];

const isSorted = (list: List) => list.every((each, i) => i === 0 || compareValues(list[i - 1], each) <= 0);

function extreme(list: List, name: 'min' | 'max'): unknown {
  const [first, ...rest] = list;
  if (first === undefined) throw new CelError(`${name} called on empty list`);
  const sign = name === 'min' ? 1 : -1;
  return rest.reduce((best, each) => (compareValues(best, each) * sign > 0 ? each : best), first);
}

const has = (list: List, wanted: unknown) => list.some((each) => sameValue(each, wanted));

function declareKubernetesLists(environment: Environment): void {
  for (const type of comparable)
    environment
      .function('isSorted', member([listOf(type)], boolType, isSorted))
      .function(
        'min',
        member([listOf(type)], type, (list: List) => extreme(list, 'min')),
      )
      .function(
        'max',
        member([listOf(type)], type, (list: List) => extreme(list, 'max')),
      );
  environment
    .function(
      'sum',
      member([listOf(intType)], intType, (list: readonly bigint[]) => list.reduce((total, each) => intOf(total + each), 0n)),
      member([listOf(uintType)], uintType, (list: readonly Uint[]) =>
        list.reduce((total, each) => uintOf(total.value + each.value), new Uint(0n)),
      ),
      member([listOf(doubleType)], doubleType, (list: readonly number[]) => list.reduce((total, each) => total + each, 0)),
      member([listOf(durationType)], durationType, (list: readonly Duration[]) =>
        list.reduce((total, each) => durationOf(total.nanos + each.nanos), new Duration(0n)),
      ),
    )
    .function(
      'indexOf',
      member([items, item], intType, (list: List, wanted: unknown) => BigInt(list.findIndex((each) => sameValue(each, wanted)))),
    )
    .function(
      'lastIndexOf',
      member([items, item], intType, (list: List, wanted: unknown) => BigInt(list.findLastIndex((each) => sameValue(each, wanted)))),
    );
}

/** `x.includes(y)`: a list with the item, or the item itself. Not everywhere. */
export function declareIncludes(environment: Environment): void {
  const includes = (value: unknown, wanted: unknown) => (Array.isArray(value) ? has(value, wanted) : sameValue(value, wanted));
  environment.function('includes', member([dynType, dynType], boolType, includes));
}

function slice(list: List, from: bigint, to: bigint): List {
  const call = `cannot slice(${from}, ${to})`;
  if (from < 0n || to < 0n) throw new CelError(`${call}, negative indexes not supported`);
  if (from > to) throw new CelError(`${call}, start index must be less than or equal to end index`);
  if (to > BigInt(list.length)) throw new CelError(`${call}, list is length ${list.length}`);
  return list.slice(Number(from), Number(to));
}

function flatten(list: unknown, depth = 1n): List {
  if (!Array.isArray(list)) throw noSuchOverload();
  if (depth < 0n) throw new CelError('level must be non-negative');
  return list.flatMap((each: unknown) => {
    work(1);
    return Array.isArray(each) && depth > 0n ? flatten(each, depth - 1n) : [each];
  });
}

function distinct(list: List): List {
  const out: unknown[] = [];
  for (const each of list) if (!has(out, each)) out.push(each);
  return out;
}

function sortBy(list: List, keys: List): List {
  if (list.length !== keys.length)
    throw new CelError(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.length} and ${keys.length} elements respectively`,
    );
  work(list.length);
  if (keys.length > 0 && keys.some((key) => !sameType(typeOf(key), typeOf(keys[0]))))
    throw new CelError('list elements must have the same type');
  const places = list.map((_, i) => i).sort((a, b) => compareValues(keys[a], keys[b]));
  return places.map((place) => list[place]);
}

function range(count: bigint): List {
  // Paid for before it is made.
  if (count > BigInt(perCallLimit)) throw new CostError();
  return Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i));
}

function declareLists(environment: Environment): void {
  environment
    .function('slice', member([items, intType, intType], items, slice, { id: 'list_slice' }))
    .function(
      'flatten',
      member([listOf(items)], items, flatten, { id: 'list_flatten', isUnguarded: true }),
      member([listOf(dynType), intType], listOf(dynType), flatten, { id: 'list_flatten' }),
    )
    .function('distinct', member([items], items, distinct, { id: 'list_distinct' }))
    .function(
      'reverse',
      member([items], items, (list: List) => list.toReversed(), { id: 'list_reverse' }),
    )
    .function('lists.range', overload([intType], listOf(intType), range, { id: 'lists_range' }))
    .function(
      'first',
      member([items], optionalOfType(item), (list: List) => (list.length === 0 ? Optional.none : Optional.of(list[0]))),
    )
    .function(
      'last',
      member([items], optionalOfType(item), (list: List) => (list.length === 0 ? Optional.none : Optional.of(list.at(-1)))),
    );
  for (const type of comparable)
    environment
      .function(
        'sort',
        member([listOf(type)], listOf(type), (list: List) => sortBy(list, list), { id: 'list_sort' }),
      )
      .function(sortByKeys, member([items, listOf(type)], items, sortBy, { id: 'list_sort_by' }));
}

function declareSets(environment: Environment): void {
  const contains = (list: List, wanted: List) => wanted.every((each) => has(list, each));
  environment
    .function('sets.contains', overload([items, items], boolType, contains, { id: 'list_sets_contains' }))
    .function(
      'sets.intersects',
      overload([items, items], boolType, (a: List, b: List) => b.some((each) => has(a, each)), { id: 'list_sets_intersects' }),
    )
    .function(
      'sets.equivalent',
      overload([items, items], boolType, (a: List, b: List) => contains(a, b) && contains(b, a), { id: 'list_sets_equivalent' }),
    );
}

export function declareListFunctions(environment: Environment): void {
  declareKubernetesLists(environment);
  declareLists(environment);
  declareSets(environment);
}

const value = typeParam('V');

function isZero(given: unknown): boolean {
  if (given === null || given === 0n || given === 0 || given === '' || given === false) return true;
  if (given instanceof Uint) return given.value === 0n;
  if (given instanceof StructValue) return given.isZero;
  if (given instanceof Duration) return given.nanos === 0n;
  if (given instanceof Timestamp) return secondsOf(given) === minSeconds && given.nanos % 1_000_000_000n === 0n;
  if (Array.isArray(given) || given instanceof Uint8Array) return given.length === 0;
  return given instanceof Map && given.size === 0;
}

export function declareOptionals(environment: Environment): void {
  const optional = optionalOfType(value);
  const unwrap = (list: readonly unknown[]) =>
    list.flatMap((each) => {
      if (!(each instanceof Optional)) throw new CelError(`value ${String(each)} is not optional`);
      return each.hasValue ? [each.value] : [];
    });
  environment
    .type('optional_type', optional)
    .function(
      'optional.none',
      overload([], optional, () => Optional.none),
    )
    .function('optional.of', overload([value], optional, Optional.of))
    .function(
      'optional.ofNonZeroValue',
      overload([value], optional, (given: unknown) => (isZero(given) ? Optional.none : Optional.of(given))),
    )
    .function('optional.unwrap', overload([listOf(optional)], listOf(value), unwrap))
    .function('unwrapOpt', member([listOf(optional)], listOf(value), unwrap))
    .function(
      'value',
      member([optional], value, (given: Optional) => given.value),
    )
    .function(
      'hasValue',
      member([optional], boolType, (given: Optional) => given.hasValue),
    )
    .function(
      'or',
      member([optional, optional], optional, (given: Optional, other: Optional) => (given.hasValue ? given : other)),
    )
    .function(
      'orValue',
      member([optional, value], value, (given: Optional, other: unknown) => (given.hasValue ? given.value : other)),
    );
}
