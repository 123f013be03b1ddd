import { setKey } from '../decode.ts';
import { DecodeError } from '../json-text.ts';
import { integer } from '../long-integers.ts';
import { isTooDeep } from '../nesting.ts';
import { formatTime, readTime } from '../time-format.ts';
import { halfValue, selfDescribed } from './encode.ts';

/** Upstream's bound on nesting, where the stack has room for it. */
const maxNesting = 10_000;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Of byte strings nobody asks that they are UTF-8. */
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

const notAccepted = (type: string, why: string) =>
  new DecodeError(`cbor: data item of cbor type ${type} is not accepted by protocol: ${why}`);
const breakCode = 0xff;

const isTag = { rfc3339: 0, epoch: 1, positiveBignum: 2, negativeBignum: 3, base64Url: 21, base64: 22, base16: 23 } as const;

function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** By major type. */
const typeNames = ['positive integer', 'negative integer', 'byte string', 'UTF-8 text string', 'array', 'map', 'tag', 'primitives'];

/** Seconds since 1970 as RFC 3339 with as much of a fraction as there is. */
function epochTime(value: number): string {
  const seconds = Math.floor(value);
  if (seconds < -62_167_219_200 || seconds > 253_402_300_799)
    throw new DecodeError(
      'cbor: decoded time cannot be represented in RFC3339 format with sub-second precision: Time.MarshalText: year outside of range [0,9999]',
    );
  const fraction = Math.trunc((value - seconds) * 1e9);
  const digits = fraction === 0 ? '' : `.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
  return formatTime({ seconds, nanos: 0 }).replace('Z', `${digits}Z`);
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #isTooDeep: (depth: number) => boolean;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, tooDeep: (depth: number) => boolean) {
    this.#bytes = bytes;
    this.#isTooDeep = tooDeep;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.isSelfDescribed) this.#at = selfDescribed.length;
  }

  get isSelfDescribed(): boolean {
    return selfDescribed.every((byte, i) => this.#bytes[i] === byte);
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  #need(count: number): void {
    if (count > this.rest) throw new DecodeError('unexpected EOF');
  }

  #take(count: number): Uint8Array {
    this.#need(count);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** The argument behind an initial byte; undefined for an indefinite length. */
  #argument(info: number, type: number): number | bigint | undefined {
    if (info < 24) return info;
    if (info === 31 && type >= 2 && type <= 5) return undefined;
    if (info > 27) throw new DecodeError(`cbor: invalid additional information ${info} for type ${typeNames[type]}`);
    const size = 2 ** (info - 24);
    this.#need(size);
    const at = this.#at;
    this.#at += size;
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at);
    if (size === 4) return this.#view.getUint32(at);
    const wide = this.#view.getBigUint64(at);
    return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide;
  }

  #length(argument: number | bigint): number {
    if (typeof argument === 'bigint' || argument > this.rest) throw new DecodeError('unexpected EOF');
    return argument;
  }

  #integer(argument: number | bigint, negative: boolean): number | bigint {
    const value = negative ? -1n - BigInt(argument) : BigInt(argument);
    if (argument < 2n ** 63n) return integer(value);
    throw new DecodeError(
      `cbor: cannot unmarshal ${negative ? 'negative' : 'positive'} integer into Go value of type int64 (${value} overflows Go's int64)`,
    );
  }

  /** A byte or text string's bytes, its chunks joined. */
  #string(argument: number | bigint | undefined, type: number): Uint8Array {
    if (argument !== undefined) return this.#take(this.#length(argument));
    const parts: number[] = [];
    while (!this.#isBreak()) {
      const [initial = 0] = this.#take(1);
      const length = this.#argument(initial & 0x1f, initial >> 5);
      if (initial >> 5 !== type || length === undefined) throw new DecodeError('cbor: wrong element type for indefinite-length string');
      parts.push(...this.#take(this.#length(length)));
    }
    return Uint8Array.from(parts);
  }

  #isBreak(): boolean {
    this.#need(1);
    if (this.#bytes[this.#at] !== breakCode) return false;
    this.#at++;
    return true;
  }

  #text(bytes: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new DecodeError('cbor: invalid UTF-8 string');
    }
  }

  *#count(argument: number | bigint | undefined): Generator<number> {
    if (argument !== undefined) {
      const length = this.#length(argument);
      for (let i = 0; i < length; i++) yield i;
    } else for (let i = 0; !this.#isBreak(); i++) yield i;
  }

  #array(argument: number | bigint | undefined): unknown[] {
    const out: unknown[] = [];
    for (const _ of this.#count(argument)) out.push(this.value());
    return out;
  }

  #map(argument: number | bigint | undefined): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const i of this.#count(argument)) {
      const [initial = 0] = this.#bytes.subarray(this.#at);
      // Null is no text.
      const key = this.value() ?? '';
      if (typeof key !== 'string') throw new DecodeError(`cbor: cannot unmarshal ${typeNames[initial >> 5]} into Go value of type string`);
      if (Object.hasOwn(out, key)) throw new DecodeError(`cbor: found duplicate map key ${JSON.stringify(key)} at map element index ${i}`);
      setKey(out, key, this.value());
    }
    return out;
  }

  #tagged(tag: number | bigint): unknown {
    const [initial = 0] = this.#bytes.subarray(this.#at);
    const isBytes = initial >> 5 === 2;
    if (isBytes && (tag === isTag.base64 || tag === isTag.base64Url || tag === isTag.base16)) {
      this.#at++;
      const bytes = this.#string(this.#argument(initial & 0x1f, 2), 2);
      if (tag === isTag.base16) return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
      const base64 = toBase64(bytes);
      return tag === isTag.base64 ? base64 : base64.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    }
    if (tag === isTag.positiveBignum || tag === isTag.negativeBignum) throw notAccepted('tag', 'bignum');
    if (tag === isTag.rfc3339) return this.#rfc3339(initial >> 5);
    const content = this.value();
    if (tag !== isTag.epoch) return content;
    if (typeof content !== 'number' && typeof content !== 'bigint')
      throw new DecodeError(`cbor: tag number 1 must be followed by integer or floating-point number, got ${typeNames[initial >> 5]}`);
    return epochTime(Number(content));
  }

  #rfc3339(type: number): string {
    if (type !== 3) throw new DecodeError(`cbor: tag number 0 must be followed by text string, got ${typeNames[type]}`);
    const text = String(this.value());
    const instant = readTime(text, 'time');
    if (typeof instant === 'string') throw new DecodeError(`cbor: cannot set ${text} for time.Time: ${instant}`);
    return text;
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 25:
        return this.#finite(halfValue(Number(this.#argument(25, 0))));
      case 26:
        this.#need(4);
        this.#at += 4;
        return this.#finite(this.#view.getFloat32(this.#at - 4));
      case 27:
        this.#need(8);
        this.#at += 8;
        return this.#finite(this.#view.getFloat64(this.#at - 8));
      case 24: {
        const value = Number(this.#argument(24, 0));
        if (value < 32) throw new DecodeError(`cbor: invalid simple value ${value} for type primitives`);
        throw notAccepted('primitives', `simple value ${value} is not recognized`);
      }
      case 31:
        throw new DecodeError('cbor: unexpected "break" code');
      default:
        if (info > 27) throw new DecodeError(`cbor: invalid additional information ${info} for type primitives`);
        throw notAccepted('primitives', `simple value ${info} is not recognized`);
    }
  }

  #finite(value: number): number {
    if (Number.isFinite(value)) return value;
    throw notAccepted('primitives', `floating-point ${Number.isNaN(value) ? 'NaN' : 'infinity'}`);
  }

  value(): unknown {
    if (this.#isTooDeep(++this.#depth)) throw new DecodeError(`cbor: exceeded max nested level ${maxNesting}`);
    const [initial = 0] = this.#take(1);
    const type = initial >> 5;
    const info = initial & 0x1f;
    const value = type === 7 ? this.#simple(info) : this.#typed(type, this.#argument(info, type));
    this.#depth--;
    return value;
  }

  #typed(type: number, argument: number | bigint | undefined): unknown {
    switch (type) {
      case 2:
      case 3:
        return type === 2 ? lenient.decode(this.#string(argument, type)) : this.#text(this.#string(argument, type));
      case 4:
        return this.#array(argument);
      case 5:
        return this.#map(argument);
    }
    if (argument === undefined) throw new DecodeError('cbor: unexpected "break" code');
    return type === 6 ? this.#tagged(argument) : this.#integer(argument, type === 1);
  }
}

/**
 * One CBOR document as plain JSON data: byte strings are text, tagged ones base64, as upstream reads them into unstructured objects.
 * What comes from outside may not be nested too deep.
 * @throws DecodeError
 */
export function decodeCbor(bytes: Uint8Array, tooDeep: (depth: number) => boolean = isTooDeep): unknown {
  const reader = new Reader(bytes, tooDeep);
  const value = reader.value();
  if (reader.rest > 0)
    throw new DecodeError(`cbor: ${reader.rest} bytes of extraneous data starting at index ${bytes.length - reader.rest}`);
  return value;
}
