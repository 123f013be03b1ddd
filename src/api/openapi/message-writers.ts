/** What gnostic-models' messages are made of: fields by number, written from the document's JSON. */
import { ReverseWriter } from '../protobuf/wire.ts';
import type { Json } from './schemas.ts';

/** Writes a message's content, or a whole field: backwards, as the writer does. */
export type Write = (writer: ReverseWriter, value: unknown) => void;

export const text =
  (number: number): Write =>
  (writer, value) =>
    writer.stringField(number, String(value));
export const flag =
  (number: number): Write =>
  (writer, value) =>
    value ? writer.intField(number, 1) : undefined;
export const integer =
  (number: number): Write =>
  (writer, value) =>
    writer.intField(number, Number(value));
export const double =
  (number: number): Write =>
  (writer, value) => {
    writer.double(Number(value));
    writer.tag(number, 1);
  };
export const message =
  (number: number, content: Write): Write =>
  (writer, value) => {
    const mark = writer.length;
    content(writer, value);
    writer.close(number, mark);
  };
export const repeated =
  (field: Write): Write =>
  (writer, value) => {
    for (const item of (value as unknown[]).toReversed()) field(writer, item); // the document's own lists
  };
/** NamedSchema, NamedPathItem and their like. */
export const entries = (number: number, content: Write): Write => {
  const entry = message(number, (writer, value) => {
    const [name, item] = value as [string, unknown]; // of Object.entries, just below
    message(2, content)(writer, item);
    writer.stringField(1, name);
  });
  return (writer, value) => repeated(entry)(writer, Object.entries(value as Json)); // the document's own objects
};
/** An Any says in YAML what it holds, and JSON is YAML. */
export const anyContent: Write = (writer, value) => writer.stringField(2, JSON.stringify(value));
export const any = (number: number): Write => message(number, anyContent);

/** A message with fields by their names in JSON; `x-` fields go to `extensions`, and those that the message does not have are left out. */
export function struct(fields: Readonly<Record<string, Write>>, extensions?: number): Write {
  return (writer, value) => {
    for (const [name, item] of Object.entries(value as Json).toReversed()) {
      if (item === undefined || item === null) continue;
      if (Object.hasOwn(fields, name)) fields[name]?.(writer, item);
      else if (extensions !== undefined && name.startsWith('x-')) entries(extensions, anyContent)(writer, { [name]: item });
    }
  };
}

/** The bytes of a document. */
export function encodeDocument(document: Write, openApi: Json): Uint8Array {
  const writer = new ReverseWriter();
  document(writer, openApi);
  return writer.finish();
}
