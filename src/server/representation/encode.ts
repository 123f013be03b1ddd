/** From presented answers to bytes. What the storage has encoded already is sent as it is. */
import { encodeCbor, encodeProtobuf, kindNode, parseApiVersion } from '../../api/index.ts';
import type { Answer, AnswerEvent, Item } from '../exchange.ts';
import { listKindOf } from '../registry/served-resource.ts';
import type { Encoding } from './accept.ts';
import { type Piece, pieceOf } from './pieces.ts';
import { toYaml } from './yaml.ts';

const openingBrace = pieceOf(Buffer.from('{'));
const commaAndBrace = pieceOf(Buffer.from(',{'));
const newline = pieceOf(Buffer.from('\n'));
const listEnd = pieceOf(Buffer.from(']}\n'));

const comma = ','.charCodeAt(0);
const quote = '"'.charCodeAt(0);

const bytesOf = (item: { object: object; bytes?: Buffer }): Buffer => item.bytes ?? Buffer.from(JSON.stringify(item.object));

type ListAnswer = Answer & { type: 'list' };

/** In lists of built-in kinds, as Go writes them, items don't say what the list does. */
const saysItsKind = ({ resource }: ListAnswer) => resource.custom !== undefined;

function withoutKind(object: object): object {
  const { kind: _, apiVersion: __, ...rest } = object as { kind?: unknown; apiVersion?: unknown };
  return rest;
}

/** A list around its items' own bytes. */
function encodeList(answer: ListAnswer): Piece[] {
  const { resource, metadata, items } = answer;
  const head = `{"kind":${JSON.stringify(listKindOf(resource))},"apiVersion":${JSON.stringify(resource.apiVersion)},"metadata":${JSON.stringify(metadata)},"items":[`;
  const pieces = [pieceOf(Buffer.from(head))];
  const isTyped = !saysItsKind(answer);
  // What is stored begins with it.
  const kindBytes = isTyped ? `"kind":"${resource.resource.kind}","apiVersion":"${resource.apiVersion}",`.length : 0;
  let separator = openingBrace;
  for (const item of items) {
    const { bytes } = item;
    const members =
      bytes !== undefined && (!isTyped || (bytes[kindBytes] === comma && bytes[kindBytes + 1] === quote))
        ? pieceOf(bytes, 1 + kindBytes)
        : pieceOf(Buffer.from(JSON.stringify(isTyped ? withoutKind(item.object) : item.object)), 1);
    pieces.push(separator, members);
    separator = commaAndBrace;
  }
  pieces.push(listEnd);
  return pieces;
}

/** An object or a list in the encoding. */
export function encodeAnswer(answer: Answer & { type: 'object' | 'list' }, encoding: Encoding, pretty: boolean): Piece[] {
  if (encoding === 'json' && !pretty) return answer.type === 'list' ? encodeList(answer) : [pieceOf(bytesOf(answer.item)), newline];
  return [pieceOf(encodePlainly(answer, encoding))];
}

function encodePlainly(answer: Answer & { type: 'object' | 'list' }, encoding: Encoding): Buffer {
  if (encoding === 'protobuf') return protobufOf(plainAnswer(answer));
  const isTyped = answer.type === 'list' && !saysItsKind(answer);
  const value = plainAnswer(answer, isTyped ? ({ object }) => withoutKind(object) : undefined);
  if (encoding === 'cbor') return cborOf(value);
  return Buffer.from(encoding === 'yaml' ? toYaml(value) : `${JSON.stringify(value, undefined, 2)}\n`);
}

/** The same as plain data, by reference; `objectOf`: how an item's object is taken. */
export function plainAnswer(
  answer: Answer & { type: 'object' | 'list' },
  objectOf: (item: Item) => object = (item) => item.object,
): object {
  if (answer.type === 'object') return answer.item.object;
  const { resource, metadata, items } = answer;
  return { kind: listKindOf(resource), apiVersion: resource.apiVersion, metadata, items: items.map(objectOf) };
}

/**
 * The node of what an answer's object is; undefined for what has no protobuf form (custom resources, documents). What says its kind
 * alone is discovery of the first days (`/api`, `/api/v1`).
 */
function nodeOf(object: object) {
  const { apiVersion = 'v1', kind } = object as { apiVersion?: unknown; kind?: unknown };
  return typeof apiVersion === 'string' && typeof kind === 'string' ? kindNode({ ...parseApiVersion(apiVersion), kind }) : undefined;
}

/** Whether an answer can be sent as protobuf. */
export function hasProtobuf(answer: Answer): boolean {
  if (answer.type === 'list' || answer.type === 'watch') return kindNode(answer.resource.resource) !== undefined;
  // What is stored need not be decoded for it.
  if (answer.type === 'object' && answer.resource !== undefined && answer.item.bytes !== undefined)
    return kindNode(answer.resource.resource) !== undefined;
  return answer.type === 'object' && nodeOf(answer.item.object) !== undefined;
}

function protobufOf(object: object): Buffer {
  const node = nodeOf(object);
  if (node === undefined) throw new Error('an object without a protobuf form was to be sent as protobuf');
  return Buffer.from(encodeProtobuf(node, { apiVersion: '', ...(object as { kind: string }) })); // nodeOf has seen the kind
}

const cborOf = (object: object): Buffer => Buffer.from(encodeCbor(object, nodeOf(object)));

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
  return out;
}

const field = (number: number, bytes: Uint8Array) => Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes]);

/** One frame of a protobuf watch: its length in four bytes, then a WatchEvent around the object's envelope. */
function encodeProtobufEvent({ type, item }: AnswerEvent): Buffer {
  const event = Buffer.concat([field(1, Buffer.from(type)), field(2, field(1, protobufOf(item.object)))]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}

/** One document of a CBOR watch: a WatchEvent, its object a document in itself. */
function encodeCborEvent({ type, item }: AnswerEvent): Buffer {
  const [typeKey, objectKey, typeValue] = ['type', 'object', type].map((word) => Buffer.from([0x40 | word.length, ...Buffer.from(word)]));
  if (!typeKey || !objectKey || !typeValue) throw new Error('three words make three strings');
  return Buffer.concat([Buffer.from([0xd9, 0xd9, 0xf7, 0xa2]), typeKey, typeValue, objectKey, cborOf(item.object)]);
}

/** So many objects' frames are kept for watchers that watch something else and see the same. */
const keptFrames = 64;
/** The frames of the objects that were sent last, by encoding and type. No WeakMap: they would stay as long as the objects do. */
const frames = new Map<Item, { [encodingAndType: string]: Buffer }>();

/** A batch as it was last sent: those who watch the same are served one after another, and get the same bytes. */
let lastBatch: { events: readonly AnswerEvent[]; encoding: Encoding; bytes: Buffer } | undefined;

/** A batch of events, each a line of a JSON watch or a frame of a protobuf watch. */
export function encodeEvents(events: readonly AnswerEvent[], encoding: Encoding): Buffer {
  if (lastBatch?.events === events && lastBatch.encoding === encoding) return lastBatch.bytes;
  const [only] = events;
  const bytes =
    events.length === 1 && only !== undefined
      ? encodeEvent(only, encoding)
      : Buffer.concat(events.map((event) => encodeEvent(event, encoding)));
  lastBatch = { events, encoding, bytes };
  return bytes;
}

/** One line of a JSON watch, one frame of a protobuf watch, one document of a CBOR watch. */
export function encodeEvent(event: AnswerEvent, encoding: Encoding): Buffer {
  const { type, item } = event;
  // What has no bytes in store was made for one watcher.
  if (item.bytes === undefined) return makeFrame(event, encoding);
  let made = frames.get(item);
  if (made === undefined) {
    made = {};
    const [oldest] = frames.size >= keptFrames ? frames.keys() : [];
    if (oldest !== undefined) frames.delete(oldest);
    frames.set(item, made);
  }
  const which = encoding === 'json' ? type : `${encoding} ${type}`;
  made[which] ??= makeFrame(event, encoding);
  return made[which];
}

function makeFrame(event: AnswerEvent, encoding: Encoding): Buffer {
  if (encoding === 'protobuf') return encodeProtobufEvent(event);
  if (encoding === 'cbor') return encodeCborEvent(event);
  const { type, item } = event;
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), bytesOf(item), Buffer.from('}\n')]);
}
