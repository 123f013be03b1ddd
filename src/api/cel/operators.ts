/** The language's operators (google/cel-go/common/stdlib). */
import { type Environment, member, overload } from './declarations.ts';
import { mapInsert, notStrictlyFalse } from './macros.ts';
import { work } from './metering.ts';
import { durationOf, timestampOf } from './times.ts';
import {
  boolType,
  bytesType,
  type CelType,
  doubleType,
  durationType,
  intType,
  listOf,
  mapOf,
  optionalOfType,
  stringType,
  timestampType,
  typeParam,
  uintType,
} from './types.ts';
import {
  CelError,
  characterCount,
  compareValues,
  concatenated,
  type Duration,
  mapKey,
  noSuchOverload,
  sameValue,
  type Timestamp,
  Uint,
} from './values.ts';

const a = typeParam('A');
const b = typeParam('B');

const maxUint = 2n ** 64n;

/** @throws CelError for what an int can't hold */
export function intOf(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new CelError('integer overflow');
  return value;
}

/** @throws CelError for what a uint can't hold */
export function uintOf(value: bigint): Uint {
  if (value < 0n || value >= maxUint) throw new CelError('unsigned integer overflow');
  return new Uint(value);
}

function notZero(value: bigint, what: string): bigint {
  if (value === 0n) throw new CelError(`${what} by zero`);
  return value;
}

const later = (time: Timestamp, { nanos }: Duration) => timestampOf(time.nanos + nanos, time.offsetMinutes);

interface Arithmetic {
  ints: (x: bigint, y: bigint) => bigint;
  doubles?: (x: number, y: number) => number;
}

function declareArithmetic(environment: Environment): void {
  const rows: Record<string, Arithmetic> = {
    '_+_': { ints: (x, y) => x + y, doubles: (x, y) => x + y },
    '_-_': { ints: (x, y) => x - y, doubles: (x, y) => x - y },
    '_*_': { ints: (x, y) => x * y, doubles: (x, y) => x * y },
    '_/_': { ints: (x, y) => x / notZero(y, 'division'), doubles: (x, y) => x / y },
    '_%_': { ints: (x, y) => x % notZero(y, 'modulus') },
  };
  for (const [name, { ints, doubles }] of Object.entries(rows)) {
    environment.function(
      name,
      overload([intType, intType], intType, (x: bigint, y: bigint) => intOf(ints(x, y))),
      overload([uintType, uintType], uintType, (x: Uint, y: Uint) => uintOf(ints(x.value, y.value))),
    );
    if (doubles) environment.function(name, overload([doubleType, doubleType], doubleType, doubles));
  }
  environment
    .function(
      '-_',
      overload([intType], intType, (x: bigint) => intOf(-x)),
      overload([doubleType], doubleType, (x: number) => -x),
    )
    .function(
      '_+_',
      overload([stringType, stringType], stringType, (x: string, y: string) => x + y, { id: 'add_text' }),
      overload([bytesType, bytesType], bytesType, (x: Uint8Array, y: Uint8Array) => Uint8Array.from([...x, ...y]), { id: 'add_text' }),
      overload([listOf(a), listOf(a)], listOf(a), concatenated),
      overload([durationType, durationType], durationType, (x: Duration, y: Duration) => durationOf(x.nanos + y.nanos)),
      overload([timestampType, durationType], timestampType, later),
      overload([durationType, timestampType], timestampType, (x: Duration, y: Timestamp) => later(y, x)),
    )
    .function(
      '_-_',
      overload([durationType, durationType], durationType, (x: Duration, y: Duration) => durationOf(x.nanos - y.nanos)),
      overload([timestampType, durationType], timestampType, (x: Timestamp, { nanos }: Duration) =>
        timestampOf(x.nanos - nanos, x.offsetMinutes),
      ),
      overload([timestampType, timestampType], durationType, (x: Timestamp, y: Timestamp) => durationOf(x.nanos - y.nanos)),
    );
}

/** The types that have an order. */
export const comparable: readonly CelType[] = [intType, uintType, doubleType, boolType, durationType, timestampType, stringType, bytesType];

function declareComparisons(environment: Environment): void {
  const numbers = [intType, uintType, doubleType];
  const rows: Record<string, (order: number) => boolean> = {
    '_<_': (order) => order < 0,
    '_<=_': (order) => order <= 0,
    '_>_': (order) => order > 0,
    '_>=_': (order) => order >= 0,
  };
  for (const [name, holds] of Object.entries(rows)) {
    const compare = (x: unknown, y: unknown) => holds(compareValues(x, y));
    for (const type of comparable) {
      const isText = type === stringType || type === bytesType;
      environment.function(name, overload([type, type], boolType, compare, isText ? { id: 'ordered_text' } : {}));
    }
    for (const left of numbers)
      for (const right of numbers) if (left !== right) environment.function(name, overload([left, right], boolType, compare));
  }
  environment.function('_==_', overload([a, a], boolType, sameValue, { id: 'equals' })).function(
    '_!=_',
    overload([a, a], boolType, (x: unknown, y: unknown) => !sameValue(x, y), { id: 'not_equals' }),
  );
}

function insertInto(map: ReadonlyMap<unknown, unknown>, key: unknown, value: unknown): Map<unknown, unknown> {
  work(map.size);
  const own = mapKey(key);
  if (map.has(own)) throw new CelError(`insert failed: key ${String(own)} already exists`);
  return new Map([...map, [own, value]]);
}

const sizeOf = (value: unknown): bigint => {
  if (typeof value === 'string') return BigInt(characterCount(value));
  if (value instanceof Uint8Array || Array.isArray(value)) return BigInt(value.length);
  if (value instanceof Map) return BigInt(value.size);
  throw noSuchOverload();
};

function declareCollections(environment: Environment): void {
  const found = (item: unknown, list: readonly unknown[]) => list.some((each) => sameValue(each, item));
  environment
    .function(
      '@in',
      overload([a, listOf(a)], boolType, found, { id: 'in_list' }),
      overload([a, mapOf(a, b)], boolType, (key: unknown, map: ReadonlyMap<unknown, unknown>) => map.has(mapKey(key))),
    )
    // Looking up is the interpreter's own.
    .function(
      '_[_]',
      overload([listOf(a), intType], a, noSuchOverload),
      overload([mapOf(a, b), a], b, noSuchOverload),
      overload([optionalOfType(listOf(a)), intType], optionalOfType(a), noSuchOverload),
      overload([optionalOfType(mapOf(a, b)), a], optionalOfType(b), noSuchOverload),
    )
    .function(
      '_[?_]',
      overload([listOf(a), intType], optionalOfType(a), noSuchOverload),
      overload([optionalOfType(listOf(a)), intType], optionalOfType(a), noSuchOverload),
      overload([mapOf(a, b), a], optionalOfType(b), noSuchOverload),
      overload([optionalOfType(mapOf(a, b)), a], optionalOfType(b), noSuchOverload),
    )
    .function('_?._', overload([a, stringType], optionalOfType(a), noSuchOverload))
    .function(
      mapInsert,
      overload([mapOf(a, b), a, b], mapOf(a, b), insertInto),
      overload([mapOf(a, b), mapOf(a, b)], mapOf(a, b), (map: ReadonlyMap<unknown, unknown>, added: ReadonlyMap<unknown, unknown>) =>
        [...added].reduce((all, [key, value]) => insertInto(all, key, value), new Map(map)),
      ),
    );
  for (const type of [bytesType, listOf(a), mapOf(a, b), stringType])
    environment.function('size', overload([type], intType, sizeOf), member([type], intType, sizeOf));
}

function declareLogic(environment: Environment): void {
  environment
    .function('_?_:_', overload([boolType, a, a], a, noSuchOverload))
    .function('_&&_', overload([boolType, boolType], boolType, noSuchOverload))
    .function('_||_', overload([boolType, boolType], boolType, noSuchOverload))
    .function(
      '!_',
      overload([boolType], boolType, (value: boolean) => !value),
    )
    .function(notStrictlyFalse, overload([boolType], boolType, noSuchOverload));
}

export function declareOperators(environment: Environment): void {
  declareLogic(environment);
  declareComparisons(environment);
  declareArithmetic(environment);
  declareCollections(environment);
}
