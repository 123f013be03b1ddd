/** Kubernetes' protobuf form to JSON. */
import { decodeValue, setKey } from '../decode.ts';
import { isJsonObject } from '../json-object.ts';
import { DecodeError, parseJson } from '../json-text.ts';
import { integer } from '../long-integers.ts';
import { isTooDeep } from '../nesting.ts';
import type { KubeObject } from '../resource.ts';
import type { ListNode, MapNode, StructNode, TypeNode, UnionNode, WireField } from '../schema/node.ts';
import { formatGoDuration, formatMicroTime, formatTime } from '../time-format.ts';
import { magic } from './encode.ts';
import { BYTES, FIXED64, readDouble, readFields, readString, toBase64, VARINT, type WireValue } from './wire.ts';

type JsonObject = Record<string, unknown>;

const wireOf = (node: TypeNode) => (node.kind === 'int' || node.kind === 'bool' ? VARINT : node.kind === 'float' ? FIXED64 : BYTES);

const byNumber = new WeakMap<StructNode, Map<number, WireField>>();

function fieldsOf(node: StructNode): Map<number, WireField> {
  let fields = byNumber.get(node);
  if (!fields) {
    fields = new Map(node.wireFields.map((f) => [f.number, f]));
    byNumber.set(node, fields);
  }
  return fields;
}

function readMessage(node: StructNode, data: Uint8Array, depth: number, out: JsonObject = {}): JsonObject {
  if (isTooDeep(depth)) throw new DecodeError('exceeded max depth');
  const fields = fieldsOf(node);
  for (const wire of readFields(data)) {
    const field = fields.get(wire.number);
    // What a newer version may have added is skipped.
    if (field) readField(field, wire, out, depth);
  }
  return out;
}

const isListMessage = (node: TypeNode) => node.kind === 'list' && node.typeName !== '' && node.item.kind === 'string';

function readField(field: WireField, wire: WireValue, out: JsonObject, depth: number): void {
  const { node, name } = field;
  if (field.flat) {
    if (node.kind === 'struct') readMessage(node, expect(wire, BYTES).bytes, depth + 1, out);
  } else if (node.kind === 'map') readEntry(node, expect(wire, BYTES).bytes, out, name, depth);
  else if (node.kind === 'list' && !isListMessage(node)) readItem(node, wire, out, name, depth);
  else if (node.kind === 'struct') {
    // A message that comes again adds to what came before.
    const before = out[name];
    out[name] = readMessage(node, expect(wire, BYTES).bytes, depth + 1, isJsonObject(before) ? before : {});
  } else out[name] = readValue(node, wire, depth);
}

function expect(wire: WireValue, type: number): WireValue {
  if (wire.wire !== type) throw new DecodeError(`proto: wrong wireType = ${wire.wire} for field ${wire.number}`);
  return wire;
}

function readItem(node: ListNode, wire: WireValue, out: JsonObject, name: string, depth: number): void {
  const before = out[name];
  const list: unknown[] = Array.isArray(before) ? before : [];
  out[name] = list;
  if (wire.wire === BYTES && wireOf(node.item) === VARINT) {
    // Packed numbers: a varint each, read as fields by giving each a tag.
    for (let at = 0; at < wire.bytes.length; ) {
      let end = at;
      while ((wire.bytes[end] ?? 0) > 127) end++;
      const tagged = Uint8Array.of(8, ...wire.bytes.subarray(at, end + 1));
      for (const value of readFields(tagged)) list.push(readValue(node.item, value, depth));
      at = end + 1;
    }
  } else list.push(readValue(node.item, wire, depth));
}

function readEntry(node: MapNode, data: Uint8Array, out: JsonObject, name: string, depth: number): void {
  const before = out[name];
  const map: JsonObject = typeof before === 'object' && before !== null ? (before as JsonObject) : {};
  out[name] = map;
  let key = '';
  let value: unknown = decodeValue(node.value, null);
  for (const wire of readFields(data)) {
    if (wire.number === 1) key = readString(expect(wire, BYTES).bytes);
    else if (wire.number === 2) value = readValue(node.value, wire, depth);
  }
  setKey(map, key, value);
}

function readValue(node: TypeNode, wire: WireValue, depth: number): unknown {
  expect(wire, wireOf(node));
  const { bytes, bits } = wire;
  switch (node.kind) {
    case 'string':
      return readString(bytes);
    case 'int':
      return integer(node.min < 0 ? BigInt.asIntN(64, bits) : bits);
    case 'bool':
      return bits !== 0n;
    case 'float':
      return readDouble(bits);
    case 'bytes':
      return toBase64(bytes);
    case 'struct':
      return readMessage(node, bytes, depth + 1);
    case 'list':
      return [...readFields(bytes)].filter((f) => f.number === 1).map((f) => readValue(node.item, f, depth + 1));
    case 'union':
      return readUnion(node, bytes, depth + 1);
    default:
      return readSpecial(node, bytes);
  }
}

function readSpecial(node: TypeNode, bytes: Uint8Array): unknown {
  const fields = new Map([...readFields(bytes)].map((f) => [f.number, f]));
  const int = (number: number) => BigInt.asIntN(64, fields.get(number)?.bits ?? 0n);
  const text = (number: number) => readString(fields.get(number)?.bytes ?? new Uint8Array(0));
  switch (node.kind) {
    case 'time':
    case 'microTime': {
      if (fields.size === 0) return null;
      const seconds = Number(int(1));
      if (Math.abs(seconds) > 253402300799) throw new DecodeError(`proto: timestamp out of range: ${seconds}`);
      const instant = { seconds, nanos: Number(int(2)) };
      return node.kind === 'time' ? formatTime(instant) : formatMicroTime(instant);
    }
    case 'duration':
      return formatGoDuration(int(1));
    case 'quantity':
      return text(1) || '0';
    case 'intOrString':
      return int(1) === 1n ? text(3) : Number(int(2));
    default: {
      const raw = fields.get(1)?.bytes;
      if (!raw || raw.length === 0) return undefined;
      if (!magic.every((byte, i) => raw[i] === byte)) return parseJson(readString(raw)).value;
      throw new DecodeError('raw extensions in protobuf form are not supported');
    }
  }
}

function readUnion(node: UnionNode, bytes: Uint8Array, depth: number): unknown {
  let schema: JsonObject | undefined;
  let allows = false;
  const list: unknown[] = [];
  for (const field of readFields(bytes)) {
    if (node.other === 'bool' && field.number === 1) allows = field.bits !== 0n;
    else if (field.number === (node.other === 'bool' ? 2 : 1)) schema = readMessage(node.struct, expect(field, BYTES).bytes, depth);
    else if (field.number === 2)
      list.push(node.other === 'list' ? readMessage(node.struct, expect(field, BYTES).bytes, depth) : readString(field.bytes));
  }
  if (schema) return schema;
  return node.other === 'bool' ? allows : list;
}

/**
 * A message without envelope, as JSON that a Go round trip would give.
 * @throws DecodeError
 */
export function decodeMessage(node: StructNode, data: Uint8Array): unknown {
  return decodeValue(node, readMessage(node, data, 0));
}

export interface ProtobufEnvelope {
  apiVersion: string;
  kind: string;
  /** The object's message; or, where `contentType` says so, its JSON. */
  raw: Uint8Array;
  contentType: string;
}

/**
 * Opens the envelope of `application/vnd.kubernetes.protobuf`.
 * @throws DecodeError where it is none
 */
export function openEnvelope(data: Uint8Array): ProtobufEnvelope {
  if (!magic.every((byte, i) => data[i] === byte))
    throw new DecodeError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  const out: ProtobufEnvelope = { apiVersion: '', kind: '', raw: new Uint8Array(0), contentType: '' };
  for (const field of readFields(data.subarray(magic.length))) {
    if (field.number === 1) {
      for (const inner of readFields(field.bytes)) {
        if (inner.number === 1) out.apiVersion = readString(inner.bytes);
        else if (inner.number === 2) out.kind = readString(inner.bytes);
      }
    } else if (field.number === 2) out.raw = field.bytes;
    else if (field.number === 4) out.contentType = readString(field.bytes);
  }
  return out;
}

/**
 * Decodes an object from its enveloped form.
 * @throws DecodeError
 */
export function decodeProtobuf(node: StructNode, data: Uint8Array): KubeObject {
  const { apiVersion, kind, raw } = openEnvelope(data);
  // The node is that of a kind; the envelope holds what the message leaves out.
  const object = decodeMessage(node, raw) as KubeObject;
  return Object.assign(object, { kind, apiVersion });
}
