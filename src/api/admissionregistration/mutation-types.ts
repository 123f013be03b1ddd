/** `Object{...}` and `JSONPatch{...}`: what mutations are made of (k8s.io/apiserver/pkg/cel/mutation). */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { constructorFunction, optionalFieldFunction } from '../cel/constructors.ts';

export const mutationRoots = ['Object', 'JSONPatch'];

/** A part of an apply configuration. */
export class ObjectValue {
  readonly fields: ReadonlyMap<unknown, unknown>;
  readonly path: string;
  constructor(path: string, fields: ReadonlyMap<unknown, unknown>) {
    this.path = path;
    this.fields = fields;
  }
}

/** One operation of a JSON patch. */
export class JsonPatchValue {
  readonly fields: ReadonlyMap<unknown, unknown>;
  constructor(fields: ReadonlyMap<unknown, unknown>) {
    this.fields = fields;
  }
}

class OptionalField {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}
class JsonPatchNamespace {}

/** The fields that are there: an optional one without a value is not. */
function present(fields: unknown): Map<unknown, unknown> {
  const entries = fields instanceof Map ? [...fields] : Object.entries(fields as object); // a map literal is one or the other
  return new Map(
    entries.flatMap(([key, value]): [unknown, unknown][] => {
      if (!(value instanceof OptionalField)) return [[key, value]];
      const inner = value.value;
      if (!(inner instanceof Optional)) return [[key, inner]];
      return inner.hasValue() ? [[key, inner.value()]] : [];
    }),
  );
}

const patchFields = new Set(['op', 'path', 'from', 'value']);

export function declareMutation(environment: Environment): void {
  environment
    .registerType('Object', ObjectValue)
    .registerType('JSONPatch', JsonPatchValue)
    .registerType('kubernetes.OptionalField', OptionalField)
    .registerFunction(`${optionalFieldFunction}(dyn): kubernetes.OptionalField`, (value: unknown) => new OptionalField(value))
    .registerFunction(
      `${constructorFunction('Object')}(string, map): Object`,
      (path: string, fields: unknown) => new ObjectValue(path, present(fields)),
    )
    .registerFunction(`${constructorFunction('JSONPatch')}(string, map): JSONPatch`, (_: string, fields: unknown) => {
      const given = present(fields);
      for (const key of given.keys()) if (!patchFields.has(String(key))) throw new Error(`undefined field '${String(key)}'`);
      return new JsonPatchValue(given);
    })
    .registerType('kubernetes.JSONPatchFunctions', JsonPatchNamespace)
    .registerConstant('jsonpatch', 'kubernetes.JSONPatchFunctions', new JsonPatchNamespace())
    .registerFunction('kubernetes.JSONPatchFunctions.escapeKey(string): string', (_: JsonPatchNamespace, key: string) =>
      key.replaceAll('~', '~0').replaceAll('/', '~1'),
    );
}

/** A value of CEL as JSON. */
export function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof ObjectValue || value instanceof JsonPatchValue) return jsonOf(value.fields);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), jsonOf(item)]));
  if (Array.isArray(value)) return value.map(jsonOf);
  if (value instanceof Set) return [...value].map(jsonOf);
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (value instanceof Optional) return value.hasValue() ? jsonOf(value.value()) : null;
  if (value instanceof Uint8Array) return btoa(String.fromCharCode(...value));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item)]));
  return value;
}
