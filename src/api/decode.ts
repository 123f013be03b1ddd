/**
 * From JSON to objects as a round trip through Go's types would leave them: unknown fields gone, wrong types refused in Go's words,
 * quantities and times in canonical form, empty `omitempty` values dropped, structs that Go always writes (`status: {}`) present.
 */
import { isJsonObject, type JsonObject } from './json-object.ts';
import { DecodeError, maxStrictErrors } from './json-text.ts';
import { NumberLiteral, withoutLiterals } from './number-literals.ts';
import { formatQuantity, quantityError, tryParseQuantity } from './quantity.ts';
import type { KubeObject } from './resource.ts';
import type { Field, ListNode, MapNode, StructNode, TypeNode, UnionNode } from './schema/node.ts';
import { formatGoDuration, formatMicroTime, formatTime, isPlainTime, isZeroTime, readGoDuration, readTime } from './time-format.ts';

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value instanceof NumberLiteral) return 'number';
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Sets an own property whatever its name: `__proto__` is a name like any other. */
export function setKey(object: JsonObject, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}

const int32 = { min: -2147483648, max: 2147483647 };

/** As an error about an integer shows what it was given. */
const describeExactly = (value: unknown) =>
  describe(value) === 'number' ? `number ${value instanceof NumberLiteral ? value.source : value}` : describe(value);

const isWithin = (node: { min: number; max: number }, value: unknown) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= node.min && value <= node.max;

interface Notes {
  /** Paths of unknown fields, where somebody wants to know. */
  unknown?: string[] | undefined;
  /** Paths of values that are taken as they are, or that a type reads by itself: nobody looks for repeated keys in there. */
  opaque?: string[];
  /**
   * Values of wrong types, which then do not end the decoding: Go's goes on, in the order of the text, and tells of the first unless it comes
   * upon something worse.
   */
  mismatches?: string[];
}

class Decoder {
  readonly #notes: Notes;
  #unknown: string[] | undefined;
  /** Names of the struct fields that lead here. */
  readonly #fields: string[] = [];
  /** The same with list indices and map keys. */
  readonly #path: string[] = [];
  #struct = '';

  constructor(notes: Notes) {
    this.#notes = notes;
    this.#unknown = notes.unknown;
  }

  #mismatch(type: string, what: string, name: string | undefined): DecodeError {
    const fields = name === undefined ? this.#fields : [...this.#fields, name];
    const where = fields.length === 0 ? 'Go value' : `Go struct field ${this.#struct}.${fields.join('.')}`;
    return new DecodeError(`json: cannot unmarshal ${what} into ${where} of type ${type}`);
  }

  #fail(error: DecodeError): void {
    if (!this.#notes.mismatches) throw error;
    this.#notes.mismatches.push(error.message);
  }

  #failAt(node: TypeNode, value: unknown, name?: string): void {
    this.#fail(this.#mismatch(node.goType, node.kind === 'int' ? describeExactly(value) : describe(value), name));
  }

  /** A value of a type; null is the type's zero value. */
  value(node: TypeNode, value: unknown, name?: string): unknown {
    switch (node.kind) {
      case 'string':
        if (typeof value === 'string') return value;
        return value === null ? '' : this.#failAt(node, value, name);
      case 'bool':
        if (typeof value === 'boolean') return value;
        return value === null ? false : this.#failAt(node, value, name);
      case 'int':
        if (value === null) return 0;
        if (typeof value === 'bigint' ? node.max > Number.MAX_SAFE_INTEGER && value >= node.min : isWithin(node, value)) return value;
        return this.#failAt(node, value, name);
      case 'float':
        if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
        if (value instanceof NumberLiteral && Number.isFinite(Number(value.source))) return Number(value.source);
        if (value instanceof NumberLiteral) return this.#fail(this.#mismatch(node.goType, describeExactly(value), name));
        return value === null ? 0 : this.#failAt(node, value, name);
      case 'raw':
        this.#noteOpaque(name);
        return withoutLiterals(value);
      case 'list':
        return this.#list(node, value, name);
      case 'map':
        return this.#map(node, value, name);
      case 'struct':
        return this.#enter(node, value, name);
      case 'union':
        return this.#union(node, value, name);
      default:
        return this.#special(node, value, name);
    }
  }

  #special(node: TypeNode, value: unknown, name: string | undefined): unknown {
    switch (node.kind) {
      case 'bytes':
        if (value === null) return '';
        return typeof value === 'string' ? this.#base64(value) : this.#failAt(node, value, name);
      case 'time':
      case 'microTime': {
        if (value === null) return null;
        if (typeof value !== 'string') throw this.#mismatch('string', describe(value), name);
        if (node.kind === 'time' && isPlainTime(value)) return value;
        const instant = readTime(value, node.kind);
        if (typeof instant === 'string') throw new DecodeError(instant);
        if (isZeroTime(instant)) return null;
        return node.kind === 'time' ? formatTime(instant) : formatMicroTime(instant);
      }
      case 'duration': {
        if (value === null) return '0s';
        if (typeof value !== 'string') throw this.#mismatch('string', describe(value), name);
        const nanos = readGoDuration(value);
        if (typeof nanos === 'string') throw new DecodeError(nanos);
        return formatGoDuration(nanos);
      }
      case 'quantity': {
        if (value === null) return '0';
        const text = typeof value === 'string' ? value.trim() : describe(value) === 'number' ? describeExactly(value).slice(7) : '';
        const quantity = tryParseQuantity(text);
        if (!quantity) throw new DecodeError(quantityError(text));
        return formatQuantity(quantity);
      }
      default: {
        // IntOrString
        if (typeof value === 'string') return value;
        if (value === null) return 0;
        if (isWithin(int32, value)) return value;
        throw this.#mismatch('int32', describeExactly(value), name);
      }
    }
  }

  #base64(text: string): string | undefined {
    try {
      return base64(text);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#fail(error);
      return undefined;
    }
  }

  #noteOpaque(name: string | undefined): void {
    this.#notes.opaque?.push(pathOf(this.#path, name ?? ''));
  }

  /** Reads itself, and does not tell of fields that it does not know. */
  #union(node: UnionNode, value: unknown, name: string | undefined): unknown {
    this.#noteOpaque(name);
    const outer = this.#unknown;
    this.#unknown = undefined;
    const out = this.#either(node, value, name);
    this.#unknown = outer;
    return out;
  }

  #either(node: UnionNode, value: unknown, name: string | undefined): unknown {
    if (value === null) return null;
    if (isJsonObject(value)) return this.#enter(node.struct, value, name);
    if (node.other === 'bool' && typeof value === 'boolean') return value;
    if (node.other !== 'bool' && Array.isArray(value)) {
      if (node.other === 'list') return value.map((item) => this.#enter(node.struct, item, name));
      if (value.every((item) => typeof item === 'string')) return value;
    }
    throw new DecodeError(node.other === 'bool' ? 'boolean or JSON schema expected' : 'array of strings or JSON schema expected');
  }

  #list(node: ListNode, value: unknown, name: string | undefined): unknown {
    if (value === null) return [];
    if (!Array.isArray(value)) return this.#failAt(node, value, name);
    const { item } = node;
    const out = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) {
      if (item.kind === 'struct' || item.kind === 'list' || item.kind === 'map') {
        this.#path.push(`${name ?? ''}[${i}]`);
        if (name !== undefined) this.#fields.push(name);
        out[i] = this.value(item, value[i]);
        if (name !== undefined) this.#fields.pop();
        this.#path.pop();
      } else out[i] = this.value(item, value[i], name);
    }
    return out;
  }

  #map(node: MapNode, value: unknown, name: string | undefined): unknown {
    if (value === null) return {};
    if (!isJsonObject(value)) return this.#failAt(node, value, name);
    const item = node.value;
    const out: JsonObject = {};
    const nested = item.kind === 'struct' || item.kind === 'list' || item.kind === 'map';
    if (nested && name !== undefined) {
      this.#fields.push(name);
      this.#path.push(name);
    }
    for (const key of Object.keys(value)) {
      if (nested) {
        this.#path.push(key);
        setKey(out, key, this.value(item, value[key]));
        this.#path.pop();
      } else setKey(out, key, this.value(item, value[key], name));
    }
    if (nested && name !== undefined) {
      this.#fields.pop();
      this.#path.pop();
    }
    return out;
  }

  /** A struct below a field's name. */
  #enter(node: StructNode, value: unknown, name: string | undefined): unknown {
    if (value === null) return this.struct(node, {});
    if (!isJsonObject(value)) return this.#failAt(node, value, name);
    const outer = this.#struct;
    this.#struct = node.goType.slice(node.goType.lastIndexOf('.') + 1);
    if (name !== undefined) {
      this.#fields.push(name);
      this.#path.push(name);
    }
    const out = this.struct(node, value);
    if (name !== undefined) {
      this.#fields.pop();
      this.#path.pop();
    }
    this.#struct = outer;
    return out;
  }

  struct(node: StructNode, value: JsonObject): JsonObject {
    if (this.#notes.mismatches) return this.#inOrder(node, value);
    const out: JsonObject = {};
    let known = 0;
    for (const field of node.fields) {
      const given = value[field.name];
      if (given !== undefined) known++;
      const kept = given === undefined || given === null ? this.#absent(field) : this.#present(field, given);
      if (kept !== undefined) out[field.name] = kept;
    }
    if (this.#unknown) this.#noteUnknown(node, value, known, this.#unknown);
    return out;
  }

  /** Only for what is wrong: the text's order matters, and absent fields do not. */
  #inOrder(node: StructNode, value: JsonObject): JsonObject {
    for (const key of Object.keys(value)) {
      const field = node.byName.get(key);
      if (!field || value[key] === undefined || value[key] === null) continue;
      const depth = this.#fields.push(...(field.embedded ?? []));
      this.value(field.node, value[key], key);
      this.#fields.length = depth - (field.embedded?.length ?? 0);
    }
    return {};
  }

  #present(field: Field, given: unknown): unknown {
    const value = this.value(field.node, given, field.name);
    // The zero time.
    if (value === null && (field.pointer || field.omitzero)) return undefined;
    if (field.pointer || !field.omitempty) return value;
    switch (field.node.kind) {
      case 'list':
        return Array.isArray(value) && value.length === 0 ? undefined : value;
      case 'map':
        for (const _ in value as JsonObject) return value;
        return undefined;
      case 'string':
      case 'bytes':
      case 'bool':
      case 'int':
      case 'float':
        return value || undefined;
      default:
        return value;
    }
  }

  /** What Go writes for a field that was not given. Lists and maps that upstream writes as null are empty ones here. */
  #absent(field: Field): unknown {
    if (field.pointer || field.omitzero) return undefined;
    switch (field.node.kind) {
      case 'struct':
        return this.struct(field.node, {});
      case 'time':
      case 'microTime':
      case 'quantity':
      case 'intOrString':
        return this.value(field.node, null);
      case 'raw':
      case 'union':
        return undefined;
      default:
        return field.omitempty ? undefined : this.value(field.node, null);
    }
  }

  #noteUnknown(node: StructNode, value: JsonObject, known: number, unknown: string[]): void {
    let given = 0;
    for (const key in value) if (value[key] !== undefined) given++;
    if (given === known) return;
    for (const key of Object.keys(value)) {
      if (value[key] === undefined || node.byName.has(key) || unknown.length >= maxStrictErrors) continue;
      unknown.push(pathOf(this.#path, key));
    }
  }
}

const pathOf = (path: readonly string[], key: string) => [...path, key].join('.').replaceAll('.[', '[');

function base64(text: string): string {
  const clean = text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]/g, '') : text;
  if (clean.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(clean)) return clean;
  const wrong = clean.search(/[^A-Za-z0-9+/]/);
  throw new DecodeError(`illegal base64 data at input byte ${wrong >= 0 ? wrong : clean.length - (clean.length % 4)}`);
}

/**
 * The value as Go would have it after a round trip through the type. `unknown` collects the paths of fields that the type does not
 * have; without it they are dropped silently.
 * @throws DecodeError
 */
export function decodeValue(node: TypeNode, value: unknown, unknown?: string[], opaque?: string[]): unknown {
  return new Decoder({ unknown, ...(opaque ? { opaque } : {}) }).value(node, value);
}

/** What Go's decoder says of a value that does not fit its type; empty where it does. */
export function problemOf(node: TypeNode, value: unknown): string {
  const mismatches: string[] = [];
  try {
    new Decoder({ mismatches }).value(node, value);
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
  return mismatches[0] ?? '';
}

/**
 * An object as a Go round trip would leave it. Use it on objects built by code before they are stored or sent.
 * @throws DecodeError
 */
export function normalize<T extends KubeObject>(node: StructNode, object: T, unknown?: string[]): T {
  // The node is that of the object's kind, so the result has its type.
  return decodeValue(node, object, unknown) as T;
}
