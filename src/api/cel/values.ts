/**
 * Values: ints are bigints, doubles numbers, strings, booleans and null themselves, bytes Uint8Arrays, lists arrays, maps Maps; the rest
 * are of the classes here.
 */
import { work } from './metering.ts';
import {
  boolType,
  bytesType,
  type CelType,
  doubleType,
  durationType,
  dynType,
  intType,
  listOf,
  mapOf,
  nullType,
  optionalOfType,
  sameType,
  stringType,
  timestampType,
  typeOfType,
  uintType,
} from './types.ts';

/** An evaluation that has no value; in upstream's words. */
export class CelError extends Error {
  override readonly name = 'CelError';
}

export const noSuchOverload = () => new CelError('no such overload');
export const noSuchKey = (key: unknown) => new CelError(`no such key: ${keyText(key)}`);

function keyText(key: unknown): string {
  return key instanceof Uint ? String(key.value) : String(key);
}

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** A length of time, in nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A point in time, in nanoseconds since 1970; with the zone that it was written in, which only its text shows. */
export class Timestamp {
  readonly nanos: bigint;
  /** East of UTC. */
  readonly offsetMinutes: number;
  constructor(nanos: bigint, offsetMinutes = 0) {
    this.nanos = nanos;
    this.offsetMinutes = offsetMinutes;
  }
}

/** A value that may be missing. */
export class Optional {
  static readonly none = new Optional(undefined);
  readonly #value: unknown;

  private constructor(value: unknown) {
    this.#value = value;
  }

  static of(value: unknown): Optional {
    return new Optional({ value });
  }

  get hasValue(): boolean {
    return this.#value !== undefined;
  }

  /** @throws CelError */
  get value(): unknown {
    if (this.#value === undefined) throw new CelError('optional.none() dereference');
    return (this.#value as { value: unknown }).value; // as `of` has it
  }
}

/** A type as a value. */
export class TypeValue {
  readonly type: CelType;
  constructor(type: CelType) {
    this.type = type;
  }
}

/** A value that only functions look into. */
export abstract class OpaqueValue {
  abstract readonly type: CelType;
  /** What traversing it costs by. */
  readonly size: number = 1;

  equals(other: unknown): boolean {
    return this === other;
  }
}

/** A value with fields. */
export class StructValue {
  readonly type: CelType;
  readonly #fields: ReadonlyMap<string, () => unknown>;
  readonly #read = new Map<string, unknown>();

  /** Fields that are there, each read when it is first asked for. */
  constructor(type: CelType, fields: ReadonlyMap<string, () => unknown>) {
    this.type = type;
    this.#fields = fields;
  }

  get names(): readonly string[] {
    return [...this.#fields.keys()];
  }

  /** Whether optional.ofNonZeroValue makes nothing of it. */
  get isZero(): boolean {
    return false;
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** Undefined for what is not there. */
  get(name: string): unknown {
    if (this.#read.has(name)) return this.#read.get(name);
    const value = this.#fields.get(name)?.();
    this.#read.set(name, value);
    return value;
  }
}

/**
 * Lists whose items are told apart by a key (x-kubernetes-list-type set and map): their order does not matter to equality, and adding
 * replaces.
 */
const itemKeys = new WeakMap<readonly unknown[], (item: unknown) => string>();

export function keyedList(items: readonly unknown[], keyOf: (item: unknown) => string): readonly unknown[] {
  itemKeys.set(items, keyOf);
  return items;
}

export function typeOf(value: unknown): CelType {
  switch (typeof value) {
    case 'bigint':
      return intType;
    case 'number':
      return doubleType;
    case 'string':
      return stringType;
    case 'boolean':
      return boolType;
  }
  if (value === null) return nullType;
  if (Array.isArray(value)) return listOf(dynType);
  if (value instanceof Map) return mapOf(dynType, dynType);
  if (value instanceof Uint) return uintType;
  if (value instanceof Uint8Array) return bytesType;
  if (value instanceof Duration) return durationType;
  if (value instanceof Timestamp) return timestampType;
  if (value instanceof Optional) return optionalOfType(dynType);
  if (value instanceof TypeValue) return typeOfType();
  if (value instanceof StructValue || value instanceof OpaqueValue) return value.type;
  throw new CelError(`unsupported value of ${typeof value}`);
}

/** A number of any type; bigints and numbers compare with each other by value. */
export function numeric(value: unknown): bigint | number | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof Uint ? value.value : undefined;
}

/** A key as maps hold it: numbers of any type are found by their value. */
export function mapKey(key: unknown): unknown {
  const number = numeric(key);
  if (number === undefined) return key;
  if (typeof number === 'bigint') return number;
  return Number.isInteger(number) ? BigInt(number) : key;
}

const sameBytes = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  const keyOf = itemKeys.get(a);
  if (!keyOf) return a.every((item, i) => sameValue(item, b[i]));
  const items = new Map(a.map((item) => [keyOf(item), item]));
  return b.every((item) => {
    const key = keyOf(item);
    return items.has(key) && sameValue(items.get(key), item);
  });
}

function sameEntries(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (!b.has(key) || !sameValue(value, b.get(key))) return false;
  return true;
}

function sameFields(a: StructValue, b: StructValue): boolean {
  return a.names.length === b.names.length && a.names.every((name) => b.has(name) && sameValue(a.get(name), b.get(name)));
}

export function sameValue(a: unknown, b: unknown): boolean {
  work(1);
  const [left, right] = [numeric(a), numeric(b)];
  // Between types too, by what they are worth.
  // biome-ignore lint/suspicious/noDoubleEquals: compares bigints with numbers
  if (left !== undefined || right !== undefined) return left !== undefined && right !== undefined && left == right;
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b);
  if (a instanceof Map) return b instanceof Map && sameEntries(a, b);
  if (a instanceof StructValue) return b instanceof StructValue && sameFields(a, b);
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && sameBytes(a, b);
  if (a instanceof TypeValue) return b instanceof TypeValue && a.type.name === b.type.name;
  if (a instanceof Optional) return b instanceof Optional && a.hasValue === b.hasValue && (!a.hasValue || sameValue(a.value, b.value));
  return a instanceof OpaqueValue && b instanceof OpaqueValue && sameType(a.type, b.type) && a.equals(b);
}

const surrogate = /[\ud800-\udfff]/;

/** Characters, not UTF-16 units. */
export function characterCount(text: string): number {
  if (!surrogate.test(text)) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** What splitting a text into characters is worth beside looking at it. */
const splitting = 10;

/** A text's characters. */
export function charactersOf(text: string): readonly string[] {
  work(text.length * splitting);
  return surrogate.test(text) ? [...text] : text.split('');
}

/** Characters from a place up to another. */
export function sliceCharacters(text: string, start: number, end?: number): string {
  return surrogate.test(text) ? charactersOf(text).slice(start, end).join('') : text.slice(start, end);
}

/** By code points, as bytes in UTF-8 would. */
function compareText(a: string, b: string): number {
  if (!surrogate.test(a) && !surrogate.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  const [left, right] = [[...a], [...b]];
  for (const [i, character] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    if (character !== other) return (character.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
  }
  return left.length - right.length;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (const [i, byte] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    if (byte !== other) return byte - other;
  }
  return a.length - b.length;
}

const order = <T extends bigint | number | boolean>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Less than, equal to or more than zero; NaN where doubles have no order.
 * @throws CelError for values that have none
 */
export function compareValues(a: unknown, b: unknown): number {
  const [left, right] = [numeric(a), numeric(b)];
  if (left !== undefined && right !== undefined) {
    if (Number.isNaN(left) || Number.isNaN(right)) throw new CelError('NaN values cannot be ordered');
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return order(a, b);
  if (a instanceof Timestamp && b instanceof Timestamp) return order(a.nanos, b.nanos);
  if (a instanceof Duration && b instanceof Duration) return order(a.nanos, b.nanos);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  throw noSuchOverload();
}

/** Two lists as one. */
export function concatenated(a: readonly unknown[], b: readonly unknown[]): readonly unknown[] {
  work(a.length + b.length);
  const keyOf = itemKeys.get(a);
  if (!keyOf) return [...a, ...b];
  const places = new Map(a.map((item, i) => [keyOf(item), i]));
  const out = [...a];
  for (const item of b) {
    const key = keyOf(item);
    const place = places.get(key);
    if (place === undefined) {
      places.set(key, out.length);
      out.push(item);
    } else out[place] = item;
  }
  return keyedList(out, keyOf);
}
