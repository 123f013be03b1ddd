/** Schemas as CEL types, and values as the library holds them (k8s.io/apiserver/pkg/cel/common, KEP-2876). */
import type { Environment } from '@marcbachmann/cel-js';
import { sameValue } from '../cel/values.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isObject, itemSchema, type JsonObject, valueSchema } from './schema-parts.ts';

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

/** How CEL spells a field's name that it can't say; undefined for one that it can't reach. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  const escaped = name.replace(/__|[./-]/g, (c) =>
    c === '__' ? '__underscores__' : c === '.' ? '__dot__' : c === '-' ? '__dash__' : '__slash__',
  );
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined;
}

/** A type, and how a value of JSON becomes one of it. */
export interface RuleType {
  name: string;
  convert(value: unknown): unknown;
}

const objectMeta: JSONSchemaProps = {
  type: 'object',
  properties: { name: { type: 'string' }, generateName: { type: 'string' } },
};

/** What is known of nothing: integers are integers, everything else is what it is. */
function convertFreely(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(convertFreely);
  if (isObject(value)) return new Map(Object.entries(value).map(([key, item]) => [key, convertFreely(item)]));
  return value;
}

const dyn: RuleType = { name: 'dyn', convert: convertFreely };

/** Declares the types of one schema in an environment. */
export class RuleTypes {
  readonly #environment: Environment;
  readonly #known = new Map<JSONSchemaProps, RuleType>();
  #count = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  of(schema: JSONSchemaProps, isResource = false): RuleType {
    let type = this.#known.get(schema);
    if (!type) {
      type = this.#make(schema, isResource);
      this.#known.set(schema, type);
    }
    return type;
  }

  #make(schema: JSONSchemaProps, isResource: boolean): RuleType {
    if (schema['x-kubernetes-int-or-string'] || schema.nullable) return dyn;
    switch (schema.type) {
      case 'integer':
        return { name: 'int', convert: (value) => (typeof value === 'number' ? BigInt(Math.trunc(value)) : value) };
      case 'number':
        return { name: 'double', convert: (value) => value };
      case 'boolean':
        return { name: 'bool', convert: (value) => value };
      case 'string':
        return this.#string(schema.format);
      case 'array': {
        const items = itemSchema(schema);
        const item = items ? this.of(items) : dyn;
        return { name: `list<${item.name}>`, convert: (value) => (Array.isArray(value) ? value.map(item.convert) : value) };
      }
      default:
        return this.#object(schema, isResource || schema['x-kubernetes-embedded-resource'] === true);
    }
  }

  #string(format: string | undefined): RuleType {
    if (format === 'date' || format === 'date-time')
      return { name: 'google.protobuf.Timestamp', convert: (value) => new Date(String(value)) };
    if (format === 'duration') {
      const environment = this.#environment;
      return { name: 'google.protobuf.Duration', convert: (value) => environment.evaluate(`duration(${JSON.stringify(String(value))})`) };
    }
    return { name: 'string', convert: (value) => value };
  }

  #object(schema: JSONSchemaProps, isResource: boolean): RuleType {
    const values = valueSchema(schema);
    if (values) {
      const value = this.of(values);
      const convert = (map: unknown) =>
        isObject(map) ? new Map(Object.entries(map).map(([key, item]) => [key, value.convert(item)])) : map;
      return { name: `map<string, ${value.name}>`, convert };
    }
    const properties: Record<string, JSONSchemaProps> = { ...schema.properties };
    if (isResource) Object.assign(properties, { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: objectMeta });
    if (Object.keys(properties).length === 0) return dyn;
    const fields = new Map(
      Object.entries(properties).flatMap(([name, property]) => {
        const escaped = escapeName(name);
        return escaped === undefined ? [] : [[name, { escaped, type: this.of(property) }] as const];
      }),
    );
    const Instance = class {};
    const name = `schema.T${this.#count++}`;
    this.#environment
      .registerType(name, {
        ctor: Instance,
        fields: Object.fromEntries([...fields.values()].map(({ escaped, type }) => [escaped, type.name])),
      })
      .registerOperator(`${name} == ${name}`, sameValue);
    const convert = (value: unknown) => {
      if (!isObject(value)) return value;
      // An instance of the type's own class is open to any field.
      const out = new Instance() as JsonObject;
      for (const [key, item] of Object.entries(value)) {
        const field = fields.get(key);
        if (field) out[field.escaped] = field.type.convert(item);
      }
      return out;
    };
    return { name, convert };
  }
}
