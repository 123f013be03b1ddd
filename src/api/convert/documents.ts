/** Files of API objects in any encoding, read and written offline: `k8ts api convert`. */
import { parseAllDocuments, stringify as stringifyYaml, Document as YamlDocument } from 'yaml';
import { DecodeError, goSyntaxError, parseJson } from '../json-text.ts';
import { parseExactly } from '../long-integers.ts';
import { decodeProtobuf, openEnvelope } from '../protobuf/decode.ts';
import { encodeProtobuf, magic } from '../protobuf/encode.ts';
import { type KubeObject, parseApiVersion } from '../resource.ts';
import { kindNode } from '../schema/table.ts';
import { yamlOutput } from '../yaml-output.ts';
import { yamlOptions } from '../yaml-scalars.ts';
import { ConversionError, checkDocument, convertObject, nodeOfDocument } from './convert-object.ts';

export const fileFormats = ['json', 'yaml', 'protobuf'] as const;
export type FileFormat = (typeof fileFormats)[number];

const utf8 = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** What a file's first bytes say of its format. */
export function detectFormat(bytes: Uint8Array): FileFormat {
  if (magic.every((byte, i) => bytes[i] === byte)) return 'protobuf';
  const first = bytes.find((byte) => ![0x20, 0x09, 0x0a, 0x0d].includes(byte));
  return first === 0x7b ? 'json' : 'yaml';
}

/** The ends of the JSON documents that follow one another in a text. */
function jsonDocuments(text: string): string[] {
  const found: string[] = [];
  let start = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === '\\') i++;
    } else if (char === '{' || char === '[') depth++;
    else if ((char === '}' || char === ']') && --depth === 0) {
      found.push(text.slice(start, i + 1));
      start = i + 1;
    }
  }
  const rest = text.slice(start);
  return rest.trim() === '' && found.length > 0 ? found : [...found, rest];
}

function readJson(text: string): unknown {
  const { value, duplicates } = parseJson(text, { duplicates: true });
  if (duplicates.length > 0) throw new ConversionError(duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`).join(', '));
  return value;
}

function readYaml(document: YamlDocument): unknown {
  const [problem] = document.errors;
  if (problem) {
    const [at] = problem.linePos ?? [];
    throw new ConversionError(`${at ? `line ${at.line}, column ${at.col}: ` : ''}${problem.message.split('\n')[0]}`);
  }
  try {
    // A pass through JSON leaves JSON's types only; aliases are bounded, so that a small document can't grow without end.
    return parseExactly(JSON.stringify(document.toJS({ maxAliasCount: 100 })) ?? 'null');
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError || error instanceof TypeError)
      throw new ConversionError(error.message);
    throw error;
  }
}

function readProtobuf(bytes: Uint8Array): KubeObject {
  const { apiVersion, kind } = openEnvelope(bytes);
  const node = kindNode({ ...parseApiVersion(apiVersion), kind });
  if (!node) throw new ConversionError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return decodeProtobuf(node, bytes);
}

/** Puts a document's number, and what it is of, before what is wrong with it. */
function located<T>(number: number, what: () => string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ConversionError || error instanceof DecodeError || error instanceof RangeError)) throw error;
    throw new ConversionError(`document ${number}${what()}: ${error.message}`);
  }
}

interface Located {
  number: number;
  value: unknown;
}

function readAll(bytes: Uint8Array, format: FileFormat): Located[] {
  if (format === 'protobuf')
    return [
      {
        number: 1,
        value: located(
          1,
          () => '',
          () => readProtobuf(bytes),
        ),
      },
    ];
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ConversionError('the text is not valid UTF-8');
  }
  if (format === 'json')
    return jsonDocuments(text).map((part, i) => ({
      number: i + 1,
      value: located(
        i + 1,
        () => '',
        () => (part.trim() === '' ? unexpectedEnd(part) : readJson(part)),
      ),
    }));
  const documents = parseAllDocuments(text, { ...yamlOptions, uniqueKeys: true, prettyErrors: true });
  if (!Array.isArray(documents)) return [];
  return (
    documents
      .map((document, i) => ({
        number: i + 1,
        value:
          document instanceof YamlDocument
            ? located(
                i + 1,
                () => '',
                () => readYaml(document),
              )
            : null,
      }))
      // Nothing between two separators is no document.
      .filter(({ value }) => value !== null)
  );
}

function unexpectedEnd(text: string): never {
  throw new DecodeError(goSyntaxError(text));
}

/** The items of a List stand for themselves. */
function itemsOf({ number, value }: Located): Located[] {
  const list = value as { apiVersion?: unknown; kind?: unknown; items?: unknown } | null; // of any document these may be asked
  if (list?.kind !== 'List' || list.apiVersion !== 'v1' || !Array.isArray(list.items)) return [{ number, value }];
  return list.items.map((item: unknown) => ({ number, value: item }));
}

function encode(objects: readonly KubeObject[], format: FileFormat): Uint8Array {
  if (format === 'json') return encoder.encode(objects.map((object) => `${JSON.stringify(object, undefined, 2)}\n`).join(''));
  if (format === 'yaml') return encoder.encode(objects.map((object) => stringifyYaml(object, yamlOutput)).join('---\n'));
  const [object, ...others] = objects;
  if (!object || others.length > 0) throw new ConversionError(`protobuf holds one document, and there are ${objects.length}`);
  const { node } = nodeOfDocument(object);
  if (!node) throw new ConversionError(`document 1 (${object.apiVersion} ${object.kind}): this kind has no protobuf form`);
  return encodeProtobuf(node, object);
}

export interface ConvertOptions {
  /** Default: what the bytes look like. */
  from?: FileFormat | undefined;
  to: FileFormat;
  /** `apps/v1`; default: each document's own. */
  toVersion?: string | undefined;
}

/**
 * Documents in another encoding and, if asked for, in another version. Nothing is lost silently: a field that a kind does not have is
 * an error.
 * @throws ConversionError that names the document and the field
 */
export function convertDocuments(bytes: Uint8Array, { from, to, toVersion }: ConvertOptions): Uint8Array {
  const documents = readAll(bytes, from ?? detectFormat(bytes)).flatMap(itemsOf);
  if (documents.length === 0) throw new ConversionError('there is no document');
  const objects = documents.map(({ number, value }) => {
    const what = () => {
      const { apiVersion, kind, metadata } = (value ?? {}) as Partial<KubeObject>; // of any document these may be asked
      return kind ? ` (${apiVersion ?? ''} ${kind}${metadata?.name ? ` ${JSON.stringify(metadata.name)}` : ''})` : '';
    };
    return located(number, what, () => {
      const object = checkDocument(value);
      return toVersion === undefined ? object : convertObject(object, toVersion);
    });
  });
  return encode(objects, to);
}
