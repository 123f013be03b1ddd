/**
 * API objects as CBOR (RFC 8949) the way upstream writes it (KEP-4222): deterministic, strings as byte strings, integers and floats in
 * their shortest form, a self-described tag in front. Own code, like the protobuf coder, because what becomes of a string depends on its
 * field: base64 text of a `[]byte` field travels as its bytes under tag 22, which no general encoder can know.
 */

import { DecodeError } from '../json-text.ts';
import type { StructNode, TypeNode } from '../schema/node.ts';

/** Tag 55799 in front of every document. */
export const selfDescribed: readonly number[] = [0xd9, 0xd9, 0xf7];
const laterBase64 = 0xd6; // tag 22
const major = { unsigned: 0x00, negative: 0x20, bytes: 0x40, array: 0x80, map: 0xa0 };
const simple = { false: 0xf4, true: 0xf5, null: 0xf6 };
const text = new TextEncoder();

class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  raw(bytes: ArrayLike<number>): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A major type with its argument, in the fewest bytes. */
  head(type: number, argument: number | bigint): void {
    this.#room(9);
    if (argument < 24) this.byte(type | Number(argument));
    else if (argument < 0x100) {
      this.byte(type | 24);
      this.byte(Number(argument));
    } else if (argument < 0x10000) {
      this.byte(type | 25);
      this.#view.setUint16(this.#length, Number(argument));
      this.#length += 2;
    } else if (argument < 0x100000000) {
      this.byte(type | 26);
      this.#view.setUint32(this.#length, Number(argument));
      this.#length += 4;
    } else {
      this.byte(type | 27);
      this.#view.setBigUint64(this.#length, BigInt(argument));
      this.#length += 8;
    }
  }

  float(value: number): void {
    this.#room(9);
    if (!Number.isFinite(value)) throw new DecodeError(`cbor: unsupported value: ${value}`);
    for (const [initial, size, set] of [
      [0xf9, 2, 'setFloat16'],
      [0xfa, 4, 'setFloat32'],
    ] as const) {
      writeFloat(this.#view, this.#length + 1, set, value);
      if (readFloat(this.#view, this.#length + 1, set) === value) {
        this.byte(initial);
        this.#length += size;
        return;
      }
    }
    this.byte(0xfb);
    this.#view.setFloat64(this.#length, value);
    this.#length += 8;
  }

  string(value: string): void {
    const bytes = text.encode(value);
    this.head(major.bytes, bytes.length);
    this.raw(bytes);
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

// A half-precision number (IEEE 754 binary16); not every runtime's DataView has it.
function writeFloat(view: DataView, at: number, set: 'setFloat16' | 'setFloat32', value: number): void {
  if (set === 'setFloat32') view.setFloat32(at, value);
  else view.setUint16(at, halfBits(value));
}

function readFloat(view: DataView, at: number, set: 'setFloat16' | 'setFloat32'): number {
  return set === 'setFloat32' ? view.getFloat32(at) : halfValue(view.getUint16(at));
}

/** The value of a half-precision number's bits. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Bits whose value is the given one where a half can hold it; any others where it can't. */
function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size < 2 ** -14) return sign | (Math.round(size * 2 ** 24) & 0x3ff);
  const exponent = Math.min(30, Math.floor(Math.log2(size)));
  return sign | ((exponent + 15) << 10) | (Math.round((size / 2 ** exponent - 1) * 1024) & 0x3ff);
}

/** Keys in the order of their encoded bytes: shorter ones first. */
function sortedKeys(object: Readonly<Record<string, unknown>>): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (const key in object) if (object[key] !== undefined) keys.push(text.encode(key));
  return keys.sort((a, b) => {
    if (a.length !== b.length) return a.length - b.length;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0);
    return 0;
  });
}

const decodeText = new TextDecoder();

function writeNumber(out: Writer, value: number): void {
  if (!Number.isInteger(value) || Math.abs(value) > 2 ** 63) out.float(value);
  else if (value >= 0) out.head(major.unsigned, value);
  else out.head(major.negative, value >= -Number.MAX_SAFE_INTEGER ? -1 - value : -1n - BigInt(value));
}

/** The node of a value below one; undefined where the type says nothing more. */
function below(node: TypeNode | undefined, key: string): TypeNode | undefined {
  switch (node?.kind) {
    case 'struct':
      return node.byName.get(key)?.node;
    case 'map':
      return node.value;
    case 'union':
      return node.struct.byName.get(key)?.node;
    default:
      return undefined;
  }
}

function writeScalar(out: Writer, value: unknown, node: TypeNode | undefined): void {
  switch (typeof value) {
    case 'string':
      if (node?.kind === 'bytes') {
        const bytes = Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
        out.byte(laterBase64);
        out.head(major.bytes, bytes.length);
        out.raw(bytes);
      } else out.string(value);
      return;
    case 'number':
      if (node?.kind === 'float' && !Number.isInteger(value)) out.float(value);
      else writeNumber(out, value);
      return;
    case 'bigint':
      out.head(value < 0n ? major.negative : major.unsigned, value < 0n ? -1n - value : value);
      return;
    case 'boolean':
      out.byte(value ? simple.true : simple.false);
      return;
    default:
      out.byte(simple.null);
  }
}

function itemBelow(node: TypeNode | undefined): TypeNode | undefined {
  if (node?.kind === 'list') return node.item;
  return node?.kind === 'union' ? node.struct : undefined;
}

function writeKey(out: Writer, bytes: Uint8Array): string {
  out.head(major.bytes, bytes.length);
  out.raw(bytes);
  return decodeText.decode(bytes);
}

/** Calls itself for every level of nesting: it has few variables, and plain loops, so that its frame is small. */
function write(out: Writer, value: unknown, node: TypeNode | undefined): void {
  if (typeof value !== 'object' || value === null) writeScalar(out, value, node);
  else if (Array.isArray(value)) {
    out.head(major.array, value.length);
    for (let i = 0; i < value.length; i++) write(out, value[i], itemBelow(node));
  } else {
    const keys = sortedKeys(value as Record<string, unknown>); // a wire object's fields are open to be walked
    out.head(major.map, keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = writeKey(out, keys[i] as Uint8Array); // i is below the length
      write(out, (value as Record<string, unknown>)[key], below(node, key));
    }
  }
}

/**
 * An object in wire form as CBOR. `node` is its type, where it has one in the table.
 * @throws DecodeError for numbers that are not finite
 */
export function encodeCbor(value: unknown, node?: StructNode): Uint8Array {
  const out = new Writer();
  out.raw(selfDescribed);
  write(out, value, node);
  return out.take();
}
