/** Schemas as CEL types, and values as expressions see them (k8s.io/apiserver/pkg/cel/common, KEP-2876). */
import {
  CelError,
  type CelType,
  type Environment,
  escapeName,
  keyedList,
  Optional,
  parseDuration,
  parseTimestamp,
  StructValue,
  celTypes as t,
} from '../cel/index.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { itemSchema, valueSchema } from './schema-parts.ts';

/** A type, and how a value of JSON becomes one of it. */
export interface RuleType {
  readonly type: CelType;
  /** Throws CelError for a value that is not of the type. */
  convert(value: unknown): unknown;
}

const text: JSONSchemaProps = { type: 'string' };
const resourceFields: Record<string, JSONSchemaProps> = {
  apiVersion: text,
  kind: text,
  metadata: { type: 'object', properties: { name: text, generateName: text } },
};

const namesText = (schema: JSONSchemaProps | undefined) => schema?.type === 'string';

/** Whether a schema says of metadata what every resource has (a definition's says no more than rules need). */
function hasMetadata({ properties: { apiVersion, kind, metadata } = {} }: JSONSchemaProps): boolean {
  const { name, generateName } = metadata?.properties ?? {};
  return [apiVersion, kind, name, generateName].every(namesText);
}

const unfit = (what: string) => new CelError(`invalid data, expected ${what}`);

const intOrString: RuleType = {
  type: t.dynType,
  convert(value) {
    if (typeof value === 'string' || typeof value === 'bigint') return value;
    if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
    throw unfit('XIntOrString value to be either a string or integer');
  },
};

const integer: RuleType = {
  type: t.intType,
  convert(value) {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
    throw unfit(`int, got ${typeof value}`);
  },
};

const scalars: Readonly<Record<string, RuleType>> = {
  integer,
  number: {
    type: t.doubleType,
    convert(value) {
      if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
      throw unfit(`float, got ${typeof value}`);
    },
  },
  boolean: {
    type: t.boolType,
    convert(value) {
      if (typeof value === 'boolean') return value;
      throw unfit(`bool, got ${typeof value}`);
    },
  },
};

/** A text of a format, as what it stands for. */
function formatted(type: CelType, read: (value: string) => unknown, what: string): RuleType {
  return {
    type,
    convert(value) {
      const found = typeof value === 'string' ? read(value) : undefined;
      if (found === undefined) throw new CelError(`Invalid ${what} ${String(value)}`);
      return found;
    },
  };
}

function bytesOf(value: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** strfmt takes a space between a number and a unit, and days and weeks. */
function durationFrom(value: string) {
  const long = /^(\d+)\s*(d|w|[a-zµμ]+)$/.exec(value);
  const days = long?.[2] === 'w' ? 7n : 1n;
  if (long && (long[2] === 'd' || long[2] === 'w')) return parseDuration(`${BigInt(long[1] ?? 0) * days * 24n}h`);
  return parseDuration(value.replace(/\s+/g, ''));
}

const strings: Readonly<Record<string, RuleType>> = {
  duration: formatted(t.durationType, durationFrom, 'duration'),
  date: formatted(t.timestampType, (value) => parseTimestamp(`${value}T00:00:00Z`), 'date formatted string'),
  'date-time': formatted(t.timestampType, parseTimestamp, 'date-time formatted string'),
  byte: formatted(t.bytesType, bytesOf, 'byte formatted string'),
};

const plainString: RuleType = {
  type: t.stringType,
  convert(value) {
    if (typeof value === 'string') return value;
    throw unfit(`string, got ${typeof value}`);
  },
};

/** What is known of nothing: integers are integers, everything else is what it is. */
function convertFreely(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(convertFreely);
  if (isJsonObject(value)) return new Map(Object.entries(value).map(([key, item]) => [key, convertFreely(item)]));
  return value;
}

/** What is not declared is only compared: under a name that no expression can say. */
const hidden = (key: string) => `\0${key}`;
const unknownValue: RuleType = { type: t.dynType, convert: convertFreely };

/** What tells the items of a set or map list apart: the JSON of a value that is set or of the keys of an object. */
function keyOfItem(keys: readonly string[] | undefined): (item: unknown) => string {
  const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value);
  if (!keys) return (item) => JSON.stringify(plain(item)) ?? '';
  const names = keys.map((key) => escapeName(key) ?? hidden(key));
  return (item) => {
    if (!(item instanceof StructValue)) throw new CelError('unexpected data format for element of array with x-kubernetes-list-type=map');
    return JSON.stringify(names.map((name) => plain(item.get(name)) ?? null));
  };
}

/** Declares the types of one schema in an environment. */
class RuleTypes {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  of(schema: JSONSchemaProps, name: string, isRoot = false): RuleType | undefined {
    const type = this.#make(schema, name, isRoot || schema['x-kubernetes-embedded-resource'] === true);
    if (!type) return undefined;
    return {
      type: type.type,
      convert(value) {
        if (value !== null) return type.convert(value);
        if (schema.nullable) return null;
        throw new CelError('invalid data, got null for schema with nullable=false');
      },
    };
  }

  #make(schema: JSONSchemaProps, name: string, isResource: boolean): RuleType | undefined {
    if (schema['x-kubernetes-int-or-string']) return intOrString;
    if (isResource || schema.type === 'object') return this.#object(schema, name, isResource);
    if (schema.type === 'array') return this.#list(schema, name);
    if (schema.type === 'string') return strings[schema.format ?? ''] ?? plainString;
    return schema.type === undefined ? undefined : scalars[schema.type];
  }

  #list(schema: JSONSchemaProps, name: string): RuleType | undefined {
    const items = itemSchema(schema);
    const item = items && this.of(items, `${name}.@idx`);
    if (!item) return undefined;
    const kind = schema['x-kubernetes-list-type'];
    const keyOf =
      kind === 'set' || kind === 'map' ? keyOfItem(kind === 'map' ? schema['x-kubernetes-list-map-keys'] : undefined) : undefined;
    return {
      type: t.listOf(item.type),
      convert(value) {
        if (!Array.isArray(value)) throw unfit('an array for the provided schema with type=array');
        const list = value.map(item.convert);
        return keyOf ? keyedList(list, keyOf) : list;
      },
    };
  }

  #object(schema: JSONSchemaProps, name: string, isResource: boolean): RuleType | undefined {
    const values = valueSchema(schema);
    if (values && !isResource) {
      const value = this.of(values, `${name}.@elem`);
      return (
        value && {
          type: t.mapOf(t.stringType, value.type),
          convert(map) {
            if (!isJsonObject(map)) throw unfit('a map for the provided schema with type=object');
            return new Map(Object.entries(map).map(([key, item]) => [key, value.convert(item)]));
          },
        }
      );
    }
    return this.#struct({ ...schema.properties, ...(isResource && !hasMetadata(schema) ? resourceFields : {}) }, name);
  }

  #struct(properties: Record<string, JSONSchemaProps>, name: string): RuleType {
    const type = t.structType(name);
    const fields = new Map<string, { escaped: string; own: RuleType }>();
    const types = new Map<string, CelType>();
    for (const [key, property] of Object.entries(properties)) {
      const escaped = escapeName(key);
      const own = this.of(property, `${name}.${escaped ?? key}`);
      if (own && escaped !== undefined) types.set(escaped, own.type);
      fields.set(key, { escaped: escaped ?? hidden(key), own: own ?? unknownValue });
    }
    this.#environment.struct(name, (field) => types.get(field));
    return {
      type,
      convert(value) {
        if (!isJsonObject(value)) throw unfit('a map for the provided schema with type=object');
        return new StructValue(type, present(value, fields));
      },
    };
  }
}

/** The fields that an object has, each converted when it is read. */
function present(value: JsonObject, fields: ReadonlyMap<string, { escaped: string; own: RuleType }>): Map<string, () => unknown> {
  const out = new Map<string, () => unknown>();
  for (const [key, given] of Object.entries(value)) {
    // As upstream: a field that is null is not there.
    if (given === null) continue;
    const { escaped, own } = fields.get(key) ?? { escaped: hidden(key), own: unknownValue };
    out.set(escaped, () => own.convert(given));
  }
  return out;
}

/** The type of a schema's values, those of its fields being named below its `name`; undefined for one that rules can't see. */
export function declareSchema(
  environment: Environment,
  schema: JSONSchemaProps,
  isResource: boolean,
  name = 'selfType',
): RuleType | undefined {
  return new RuleTypes(environment).of(schema, name, isResource);
}

/** The earlier value, of the same type; optional where there may be none. */
export function declareOldSelf(environment: Environment, { type }: RuleType, isOptional: boolean): void {
  environment.variable('oldSelf', isOptional ? t.optionalOfType(type) : type);
}

/** A value that may be missing, as `oldSelf` of an optional rule. */
export const optionalOf = (value: unknown): Optional => (value === undefined ? Optional.none : Optional.of(value));
