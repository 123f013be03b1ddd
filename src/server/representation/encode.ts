/** From presented answers to bytes. What the storage has encoded already is sent as it is. */
import { stringify as stringifyYaml } from 'yaml';
import type { Answer, AnswerEvent, Item } from '../exchange.ts';
import type { Encoding } from './accept.ts';

const comma = Buffer.from(',');
const newline = Buffer.from('\n');

const bytesOf = (item: { object: object; bytes?: Buffer }): Buffer => item.bytes ?? Buffer.from(JSON.stringify(item.object));

/** A list around its items' own bytes. */
function encodeList({ resource, metadata, items }: Answer & { type: 'list' }): Buffer[] {
  const head = `{"kind":${JSON.stringify(`${resource.resource.kind}List`)},"apiVersion":${JSON.stringify(resource.apiVersion)},"metadata":${JSON.stringify(metadata)},"items":[`;
  const chunks: Buffer[] = [Buffer.from(head)];
  for (const [i, item] of items.entries()) {
    if (i > 0) chunks.push(comma);
    chunks.push(bytesOf(item));
  }
  chunks.push(Buffer.from(']}\n'));
  return chunks;
}

/** An object or a list in the encoding. */
export function encodeAnswer(answer: Answer & { type: 'object' | 'list' }, encoding: Encoding, pretty: boolean): Buffer[] {
  if (encoding === 'json' && !pretty) return answer.type === 'list' ? encodeList(answer) : [bytesOf(answer.item), newline];
  const value = plainAnswer(answer);
  if (encoding === 'yaml') return [Buffer.from(stringifyYaml(value, { aliasDuplicateObjects: false }))];
  return [Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)];
}

/** The same as plain data, by reference. */
export function plainAnswer(answer: Answer & { type: 'object' | 'list' }): object {
  if (answer.type === 'object') return answer.item.object;
  const { resource, metadata, items } = answer;
  return { kind: `${resource.resource.kind}List`, apiVersion: resource.apiVersion, metadata, items: items.map((item) => item.object) };
}

/** A change's frames, by type, made for the first watcher and shared by all. */
const frames = new WeakMap<Item, Partial<Record<AnswerEvent['type'], Buffer>>>();

/** One line of a JSON watch. */
export function encodeEvent(event: AnswerEvent): Buffer {
  const { type, item } = event;
  if (item.bytes === undefined) return Buffer.from(`{"type":"${type}","object":${JSON.stringify(item.object)}}\n`);
  let made = frames.get(item);
  if (made === undefined) {
    made = {};
    frames.set(item, made);
  }
  made[type] ??= Buffer.concat([Buffer.from(`{"type":"${type}","object":`), item.bytes, Buffer.from('}\n')]);
  return made[type];
}
