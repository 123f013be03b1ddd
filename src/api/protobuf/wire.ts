/** Protobuf's wire format: a writer that fills its buffer from the back, so that lengths are known when they are needed, and a reader. */
import { DecodeError } from '../json-text.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;
const GROUP = 3;
const GROUP_END = 4;

/** Writes backwards: the last field first, a message's content before its length. */
export class ReverseWriter {
  #buffer = new Uint8Array(1024);
  #start = 1024;

  /** How many bytes have been written: the difference of two marks is the length of what lies between. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  finish(): Uint8Array {
    return this.#buffer.slice(this.#start);
  }

  #reserve(count: number): number {
    if (this.#start < count) {
      const used = this.length;
      const larger = new Uint8Array(Math.max(this.#buffer.length * 2, used + count));
      larger.set(this.#buffer.subarray(this.#start), larger.length - used);
      this.#buffer = larger;
      this.#start = larger.length - used;
    }
    this.#start -= count;
    return this.#start;
  }

  bytes(value: Uint8Array): void {
    // Reserving may replace the buffer.
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
  }

  string(value: string): void {
    // Names and short texts are ASCII: writing their codes is several times faster than an encoder's new array each.
    const { length } = value;
    if (length > 64) {
      this.bytes(encoder.encode(value));
      return;
    }
    const at = this.#reserve(length);
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) {
        this.#start += length;
        this.bytes(encoder.encode(value));
        return;
      }
      this.#buffer[at + i] = code;
    }
  }

  varint(value: number): void {
    if (value < 0 || value > 0xffffffff) {
      this.#bigVarint(value);
      return;
    }
    let count = 1;
    for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) count++;
    let at = this.#reserve(count);
    let rest = value;
    while (rest > 127) {
      this.#buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[at] = rest;
  }

  /** Negative numbers are written in two's complement of 64 bits. */
  #bigVarint(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
    const out: number[] = [];
    while (rest > 127n) {
      out.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    out.push(Number(rest));
    this.bytes(Uint8Array.from(out));
  }

  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    const out: number[] = [];
    while (rest > 127n) {
      out.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    out.push(Number(rest));
    this.bytes(Uint8Array.from(out));
  }

  double(value: number): void {
    const at = this.#reserve(8);
    new DataView(this.#buffer.buffer).setFloat64(at, value, true);
  }

  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire);
  }

  /** Closes a length-delimited field whose content was written since the mark. */
  close(number: number, mark: number): void {
    this.varint(this.length - mark);
    this.tag(number, BYTES);
  }

  stringField(number: number, value: string): void {
    const mark = this.length;
    this.string(value);
    this.close(number, mark);
  }

  bytesField(number: number, value: Uint8Array): void {
    const mark = this.length;
    this.bytes(value);
    this.close(number, mark);
  }

  intField(number: number, value: number | bigint): void {
    if (typeof value === 'bigint') this.varint64(value);
    else this.varint(value);
    this.tag(number, VARINT);
  }
}

/** One field as it stands on the wire. */
export interface WireValue {
  number: number;
  wire: number;
  /** Of length-delimited fields. */
  bytes: Uint8Array;
  /** Of the others. */
  bits: bigint;
}

const none = new Uint8Array(0);
const truncated = () => new DecodeError('unexpected EOF');

function readVarint(data: Uint8Array, at: number): { value: bigint; next: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = data[at + i];
    if (byte === undefined) throw truncated();
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return { value: BigInt.asUintN(64, value), next: at + i + 1 };
  }
  throw new DecodeError('proto: integer overflow');
}

/** The index after a group, which no type of ours has, so that all there is to it is its end. */
function endOfGroup(data: Uint8Array, start: number): number {
  let at = start;
  for (let depth = 1; depth > 0; ) {
    const tag = readVarint(data, at);
    at = tag.next;
    const wire = Number(tag.value & 7n);
    if (wire === GROUP) depth++;
    else if (wire === GROUP_END) depth--;
    else if (wire === VARINT) at = readVarint(data, at).next;
    else if (wire === FIXED64 || wire === FIXED32) at += wire === FIXED64 ? 8 : 4;
    else if (wire === BYTES) {
      const { value, next } = readVarint(data, at);
      at = next + Number(value);
    } else throw new DecodeError(`proto: illegal wireType ${wire}`);
    if (at > data.length) throw truncated();
  }
  return at;
}

/**
 * The fields of a message.
 * @throws DecodeError
 */
export function* readFields(data: Uint8Array): Generator<WireValue> {
  let at = 0;
  while (at < data.length) {
    const tag = readVarint(data, at);
    at = tag.next;
    const number = Number(tag.value >> 3n);
    const wire = Number(tag.value & 7n);
    if (number === 0) throw new DecodeError(`proto: illegal tag ${number} (wire type ${wire})`);
    if (wire === VARINT) {
      const { value, next } = readVarint(data, at);
      at = next;
      yield { number, wire, bytes: none, bits: value };
    } else if (wire === BYTES) {
      const { value, next } = readVarint(data, at);
      const end = next + Number(value);
      if (end > data.length) throw truncated();
      at = end;
      yield { number, wire, bytes: data.subarray(next, end), bits: 0n };
    } else if (wire === FIXED64 || wire === FIXED32) {
      const size = wire === FIXED64 ? 8 : 4;
      if (at + size > data.length) throw truncated();
      const view = new DataView(data.buffer, data.byteOffset + at, size);
      at += size;
      yield { number, wire, bytes: none, bits: wire === FIXED64 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true)) };
    } else if (wire === GROUP) at = endOfGroup(data, at);
    else throw new DecodeError(wire === GROUP_END ? 'proto: wiretype end group for non-group' : `proto: illegal wireType ${wire}`);
  }
}

export function readDouble(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** Text of a string field; upstream does not look whether it is UTF-8, and sends replacement characters for what is not. */
export const readString = (bytes: Uint8Array): string => decoder.decode(bytes);

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}
