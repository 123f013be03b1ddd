/** Objects to Kubernetes' protobuf form, byte for byte as upstream's encoder writes it. */
import { isJsonObject } from '../json-object.ts';
import type { KubeObject } from '../resource.ts';
import type { StructNode, TypeNode, WireField } from '../schema/node.ts';
import { parseGoDuration, parseRfc3339 } from '../time-format.ts';
import { FIXED64, fromBase64, ReverseWriter, VARINT } from './wire.ts';

export const magic = Uint8Array.of(0x6b, 0x38, 0x73, 0);

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

function writeMessage(w: ReverseWriter, node: StructNode, value: unknown): void {
  const object = isJsonObject(value) ? value : {};
  for (let i = node.wireFields.length - 1; i >= 0; i--) {
    const field = node.wireFields[i];
    if (field) writeField(w, field, field.flat ? object : object[field.name]);
  }
}

/** A named list of strings (ExtraValue, Verbs) is a message of its own. */
const isListMessage = (node: TypeNode) => node.kind === 'list' && node.typeName !== '' && node.item.kind === 'string';

function writeField(w: ReverseWriter, { number, node, pointer }: WireField, value: unknown): void {
  if (isAbsent(value) && (pointer || node.kind === 'list' || node.kind === 'map' || node.kind === 'bytes')) return;
  if (node.kind === 'map') writeMap(w, number, node.value, value);
  else if (node.kind === 'list' && !isListMessage(node)) {
    const list = Array.isArray(value) ? value : [];
    for (let i = list.length - 1; i >= 0; i--) writeValue(w, number, node.item, list[i]);
  } else writeValue(w, number, node, value);
}

function writeMap(w: ReverseWriter, number: number, node: TypeNode, value: unknown): void {
  if (!isJsonObject(value)) return;
  const keys = Object.keys(value).sort();
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i] ?? '';
    const mark = w.length;
    writeValue(w, 2, node, value[key]);
    w.stringField(1, key);
    w.close(number, mark);
  }
}

function writeValue(w: ReverseWriter, number: number, node: TypeNode, value: unknown): void {
  switch (node.kind) {
    case 'string':
      w.stringField(number, typeof value === 'string' ? value : '');
      return;
    case 'int':
      w.intField(number, typeof value === 'number' || typeof value === 'bigint' ? value : 0);
      return;
    case 'bool':
      w.varint(value === true ? 1 : 0);
      w.tag(number, VARINT);
      return;
    case 'float':
      w.double(typeof value === 'number' ? value : 0);
      w.tag(number, FIXED64);
      return;
    case 'bytes':
      w.bytesField(number, typeof value === 'string' ? fromBase64(value) : new Uint8Array(0));
      return;
    default: {
      const mark = w.length;
      writeContent(w, node, value);
      w.close(number, mark);
    }
  }
}

/** The content of what is a message on the wire, whatever it is in JSON. */
function writeContent(w: ReverseWriter, node: TypeNode, value: unknown): void {
  switch (node.kind) {
    case 'struct':
      writeMessage(w, node, value);
      return;
    case 'list': {
      const list = Array.isArray(value) ? value : [];
      for (let i = list.length - 1; i >= 0; i--) writeValue(w, 1, node.item, list[i]);
      return;
    }
    case 'time':
    case 'microTime': {
      const instant = typeof value === 'string' ? parseRfc3339(value) : undefined;
      if (!instant) return;
      // A meta/v1 Time has no fraction of a second, a MicroTime no more than micros.
      w.intField(2, node.kind === 'time' ? 0 : instant.nanos - (instant.nanos % 1000));
      w.intField(1, instant.seconds);
      return;
    }
    case 'duration':
      w.varint64((typeof value === 'string' ? parseGoDuration(value) : undefined) ?? 0n);
      w.tag(1, VARINT);
      return;
    case 'quantity':
      w.stringField(1, isAbsent(value) ? '0' : String(value));
      return;
    case 'intOrString':
      w.stringField(3, typeof value === 'string' ? value : '');
      w.intField(2, typeof value === 'number' ? value : 0);
      w.intField(1, typeof value === 'string' ? 1 : 0);
      return;
    case 'raw':
      if (!isAbsent(value)) w.stringField(1, JSON.stringify(value));
      return;
    case 'union':
      writeUnion(w, node.struct, node.other, value);
      return;
    default:
      throw new Error(`protobuf: ${node.goType} is no message`);
  }
}

function writeUnion(w: ReverseWriter, struct: StructNode, other: 'bool' | 'list' | 'strings', value: unknown): void {
  if (other === 'bool') {
    if (isJsonObject(value)) writeValue(w, 2, struct, value);
    w.intField(1, value === true || isJsonObject(value) ? 1 : 0);
    return;
  }
  if (Array.isArray(value)) {
    for (let i = value.length - 1; i >= 0; i--) {
      if (other === 'list') writeValue(w, 2, struct, value[i]);
      else w.stringField(2, String(value[i]));
    }
  } else if (isJsonObject(value)) writeValue(w, 1, struct, value);
}

/** An object as `application/vnd.kubernetes.protobuf`: `k8s\0` and a runtime.Unknown that names its kind. */
export function encodeProtobuf(node: StructNode, object: Pick<KubeObject, 'apiVersion' | 'kind'>): Uint8Array {
  const w = new ReverseWriter();
  w.stringField(4, '');
  w.stringField(3, '');
  const raw = w.length;
  writeMessage(w, node, object);
  w.close(2, raw);
  const type = w.length;
  w.stringField(2, object.kind);
  w.stringField(1, object.apiVersion);
  w.close(1, type);
  w.bytes(magic);
  return w.finish();
}
