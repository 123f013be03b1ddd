/**
 * From JSON to objects as a round trip through Go's types would leave them: unknown fields gone, wrong types refused in Go's words,
 * quantities and times in canonical form, empty `omitempty` values dropped, structs that Go always writes (`status: {}`) present.
 */
import { isJsonObject, type JsonObject } from './json-object.ts';
import { DecodeError, maxStrictErrors, parseJson } from './json-text.ts';
import { formatQuantity, quantityError, tryParseQuantity } from './quantity.ts';
import { apiVersionOf, type KubeObject } from './resource.ts';
import type { Field, ListNode, MapNode, StructNode, TypeNode, UnionNode } from './schema/node.ts';
import { kindNode } from './schema/table.ts';
import { errors } from './status-error.ts';
import { strictErrors } from './strict-errors.ts';
import { formatGoDuration, formatMicroTime, formatTime, isPlainTime, parseGoDuration, parseRfc3339 } from './time-format.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Sets an own property whatever its name: `__proto__` is a name like any other. */
export function setKey(object: JsonObject, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}

const isWithin = (node: { min: number; max: number }, value: unknown) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= node.min && value <= node.max;

class Decoder {
  /** Paths of unknown fields, where somebody wants to know. */
  readonly unknown: string[] | undefined;
  /** Names of the struct fields that lead here. */
  readonly #fields: string[] = [];
  /** The same with list indices and map keys. */
  readonly #path: string[] = [];
  #struct = '';

  constructor(unknown?: string[]) {
    this.unknown = unknown;
  }

  #fail(node: TypeNode, value: unknown, name?: string): never {
    let what = describe(value);
    if (node.kind === 'int' && what === 'number') what = `number ${String(value)}`;
    const fields = name === undefined ? this.#fields : [...this.#fields, name];
    const where = fields.length === 0 ? 'Go value' : `Go struct field ${this.#struct}.${fields.join('.')}`;
    throw new DecodeError(`json: cannot unmarshal ${what} into ${where} of type ${node.goType}`);
  }

  /** A value of a type; null is the type's zero value. */
  value(node: TypeNode, value: unknown, name?: string): unknown {
    switch (node.kind) {
      case 'string':
        if (typeof value === 'string') return value;
        return value === null ? '' : this.#fail(node, value, name);
      case 'bool':
        if (typeof value === 'boolean') return value;
        return value === null ? false : this.#fail(node, value, name);
      case 'int':
        if (value === null) return 0;
        if (typeof value === 'bigint' ? node.max > Number.MAX_SAFE_INTEGER && value >= node.min : isWithin(node, value)) return value;
        return this.#fail(node, value, name);
      case 'float':
        if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
        return value === null ? 0 : this.#fail(node, value, name);
      case 'raw':
        return value;
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
        return typeof value === 'string' ? base64(value) : this.#fail(node, value, name);
      case 'time':
      case 'microTime': {
        if (value === null) return null;
        if (typeof value !== 'string') throw new DecodeError(`json: cannot unmarshal ${describe(value)} into Go value of type string`);
        if (node.kind === 'time' && isPlainTime(value)) return value;
        const layout = node.kind === 'time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00';
        const instant = parseRfc3339(value);
        if (!instant)
          throw new DecodeError(
            `parsing time ${JSON.stringify(value)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(value)} as "2006"`,
          );
        return node.kind === 'time' ? formatTime(instant) : formatMicroTime(instant);
      }
      case 'duration': {
        if (value === null) return '0s';
        if (typeof value !== 'string') throw new DecodeError(`json: cannot unmarshal ${describe(value)} into Go value of type string`);
        const nanos = parseGoDuration(value);
        if (nanos === undefined) throw new DecodeError(`time: invalid duration ${JSON.stringify(value)}`);
        return formatGoDuration(nanos);
      }
      case 'quantity': {
        if (value === null) return '0';
        const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : typeof value === 'string' ? value.trim() : '';
        const quantity = tryParseQuantity(text);
        if (!quantity) throw new DecodeError(quantityError(text));
        return formatQuantity(quantity);
      }
      default: {
        // IntOrString
        if (typeof value === 'string') return value;
        if (value === null) return 0;
        if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 2147483648) return value;
        const what = typeof value === 'number' || typeof value === 'bigint' ? `number ${value}` : describe(value);
        throw new DecodeError(`json: cannot unmarshal ${what} into Go value of type int32`);
      }
    }
  }

  #union(node: UnionNode, value: unknown, name: string | undefined): unknown {
    if (value === null) return null;
    if (isJsonObject(value)) return this.#enter(node.struct, value, name);
    if (node.other === 'bool' && typeof value === 'boolean') return value;
    if (node.other !== 'bool' && Array.isArray(value)) {
      if (node.other === 'list') return value.map((item) => this.#enter(node.struct, item, name));
      if (value.every((item) => typeof item === 'string')) return value;
    }
    throw new DecodeError(node.other === 'bool' ? 'boolean or JSON schema expected' : 'array of strings or JSON schema expected');
  }

  #list(node: ListNode, value: unknown, name: string | undefined): unknown[] {
    if (value === null) return [];
    if (!Array.isArray(value)) return this.#fail(node, value, name);
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

  #map(node: MapNode, value: unknown, name: string | undefined): JsonObject {
    if (value === null) return {};
    if (!isJsonObject(value)) return this.#fail(node, value, name);
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
  #enter(node: StructNode, value: unknown, name: string | undefined): JsonObject {
    if (value === null) return this.struct(node, {});
    if (!isJsonObject(value)) return this.#fail(node, value, name);
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
    const out: JsonObject = {};
    let known = 0;
    for (const field of node.fields) {
      const given = value[field.name];
      if (given !== undefined) known++;
      const kept = given === undefined || given === null ? this.#absent(field) : this.#present(field, given);
      if (kept !== undefined) out[field.name] = kept;
    }
    if (this.unknown) this.#noteUnknown(node, value, known);
    return out;
  }

  #present(field: Field, given: unknown): unknown {
    const value = this.value(field.node, given, field.name);
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

  #noteUnknown(node: StructNode, value: JsonObject, known: number): void {
    let given = 0;
    for (const key in value) if (value[key] !== undefined) given++;
    if (given === known || !this.unknown) return;
    for (const key of Object.keys(value)) {
      if (value[key] === undefined || node.byName.has(key) || this.unknown.length >= maxStrictErrors) continue;
      const path = [...this.#path, key].join('.').replaceAll('.[', '[');
      this.unknown.push(path);
    }
  }
}

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
export function decodeValue(node: TypeNode, value: unknown, unknown?: string[]): unknown {
  return new Decoder(unknown).value(node, value);
}

/**
 * An object as a Go round trip would leave it. Use it on objects built by code before they are stored or sent.
 * @throws DecodeError
 */
export function normalize<T extends KubeObject>(node: StructNode, object: T, unknown?: string[]): T {
  // The node is that of the object's kind, so the result has its type.
  return decodeValue(node, object, unknown) as T;
}

export interface Decoded {
  object: KubeObject;
  /** With `Warn`: what the Warning headers say. */
  warnings: string[];
}

export interface DecodeOptions {
  /** Default: Warn, as the API server's. */
  fieldValidation?: FieldValidation | undefined;
  /** Where the body was parsed by others: what it repeats, and its text. */
  duplicates?: readonly string[];
  repeated?: string | undefined;
  text?: (() => string) | undefined;
}

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** The 400 that upstream answers to a body that does not fit its kind. */
function cannotBeHandled(gvk: GroupVersionKind, why: string) {
  return errors.badRequest(`${gvk.kind} in version ${JSON.stringify(gvk.version)} cannot be handled as a ${gvk.kind}: ${why}`);
}

/**
 * Decodes a parsed body as an object of a kind.
 * @throws StatusError 400 in upstream's words: wrong types; with `Strict`, unknown and duplicate fields.
 */
export function decodeObject(value: unknown, gvk: GroupVersionKind, node: StructNode, options: DecodeOptions = {}): Decoded {
  const mode = options.fieldValidation ?? 'Warn';
  const unknown: string[] | undefined = mode === 'Ignore' ? undefined : [];
  let object: KubeObject;
  try {
    // The node is that of a kind: it decodes to an object with metadata.
    object = decodeValue(node, value, unknown) as KubeObject;
  } catch (error) {
    if (error instanceof DecodeError) throw cannotBeHandled(gvk, error.message);
    throw error;
  }
  object.kind = gvk.kind;
  object.apiVersion = apiVersionOf(gvk);
  if (!unknown) return { object, warnings: [] };
  const { duplicates, repeated, text } = options;
  const strict = strictErrors({ unknown, duplicates, repeated, text });
  if (mode === 'Strict' && strict.length > 0) throw cannotBeHandled(gvk, `strict decoding error: ${strict.join(', ')}`);
  return { object, warnings: strict };
}

/**
 * Decodes a JSON body as an object of a kind. A body that names another kind or version is refused.
 * @throws StatusError 400
 */
export function decodeJson(text: string, gvk: GroupVersionKind, options: DecodeOptions = {}): Decoded {
  const node = kindNode(gvk);
  if (!node) throw errors.badRequest(`no kind ${JSON.stringify(gvk.kind)} is registered for version ${JSON.stringify(apiVersionOf(gvk))}`);
  let parsed: { value: unknown; duplicates: string[] };
  try {
    parsed = parseJson(text, { duplicates: (options.fieldValidation ?? 'Warn') !== 'Ignore' });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw errors.badRequest(
      `the object provided is unrecognized (must be of type ${gvk.kind}): couldn't get version/kind; json parse error: ${error.message}`,
    );
  }
  const { value, duplicates } = parsed;
  if (isJsonObject(value)) {
    const { kind, apiVersion } = value;
    const expected = apiVersionOf(gvk);
    if (
      (typeof kind === 'string' && kind !== '' && kind !== gvk.kind) ||
      (typeof apiVersion === 'string' && apiVersion !== '' && apiVersion !== expected)
    )
      throw errors.badRequest(
        `the object provided is unrecognized (must be of type ${gvk.kind}): the API version in the data (${apiVersion ?? ''}) with kind ${kind ?? ''} does not match the expected API version (${expected}) with kind ${gvk.kind}`,
      );
  }
  return decodeObject(value, gvk, node, { ...options, duplicates, text: () => text });
}
