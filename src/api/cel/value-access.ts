/** What expressions find within values, and how maps are made. */
import { CelError, mapKey, noSuchKey, noSuchOverload, numeric, Optional, StructValue, typeOf } from './values.ts';

const badIndexType = (key: unknown) => new CelError(`unsupported index type '${typeOf(key).name}' in list`);

/** What a value has under a key; undefined if nothing, as what is neither list nor map nor object. */
function lookUp(value: unknown, key: unknown): unknown {
  if (value instanceof StructValue) {
    if (typeof key !== 'string') throw noSuchOverload();
    return value.get(key);
  }
  if (value instanceof Map) return value.get(mapKey(key));
  if (Array.isArray(value)) {
    const index = numeric(key);
    if (index === undefined) throw badIndexType(key);
    const at = Number(index);
    if (!Number.isInteger(at)) throw new CelError(`unsupported index value ${at} in list`);
    return value[at];
  }
  return undefined;
}

export function select(value: unknown, key: unknown): unknown {
  // What comes of an optional is one.
  if (value instanceof Optional) return selectOptional(value, key);
  const found = lookUp(value, key);
  if (found !== undefined) return found;
  throw Array.isArray(value) ? new CelError(`index out of bounds: ${String(numeric(key))}`) : noSuchKey(key);
}

export function selectOptional(value: unknown, key: unknown): Optional {
  const held = value instanceof Optional ? (value.hasValue ? value.value : undefined) : value;
  const found = held === undefined ? undefined : lookUp(held, key);
  return found === undefined ? Optional.none : Optional.of(found);
}

export function isPresent(value: unknown, field: string): boolean {
  if (value instanceof Optional) return value.hasValue && isPresent(value.value, field);
  if (value instanceof StructValue) return value.has(field);
  if (Array.isArray(value)) throw badIndexType(field);
  return value instanceof Map && value.has(field);
}

/** What Go calls the type of a value that is no list and no map. */
function goTypeName(value: unknown): string {
  if (value instanceof Optional) return '*types.Optional';
  const { kind } = typeOf(value);
  return `types.${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
}

export function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((item, i) => [BigInt(i), item]);
  if (value instanceof Map) return [...value];
  if (value instanceof StructValue) return value.names.map((name) => [name, value.get(name)]);
  throw new CelError(`got '${goTypeName(value)}', expected iterable type`);
}

export function insertAll(into: Map<unknown, unknown>, entries: ReadonlyMap<unknown, unknown>): void {
  for (const [key, value] of entries) insert(into, key, value);
}

export function insert(into: Map<unknown, unknown>, key: unknown, value: unknown): void {
  const own = mapKey(key);
  if (into.has(own)) throw new CelError(`insert failed: key ${String(own)} already exists`);
  into.set(own, value);
}
