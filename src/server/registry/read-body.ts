/** From the body of a request to plain data: JSON, YAML or protobuf by content type. */

import { Composer, isScalar, LineCounter, Parser, visit, type Document as YamlDocument } from 'yaml';
import {
  DecodeError,
  decodeCbor,
  decodeProtobuf,
  errors,
  kindNode,
  openEnvelope,
  parseApiVersion,
  parseJson,
  sortedKeys,
} from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { checkYamlDepth } from './yaml-depth.ts';

export const jsonType = 'application/json';
export const yamlType = 'application/yaml';
export const protobufType = 'application/vnd.kubernetes.protobuf';
export const cborType = 'application/cbor';
const acceptedTypes = [jsonType, yamlType, protobufType] as const;

export interface Document {
  /** Undefined where there is no body. */
  value: unknown;
  /** Paths of keys that JSON repeats. */
  duplicates: readonly string[];
  /** Of YAML: what it repeats, in the parser's words. */
  repeated?: string | undefined;
  /** As JSON, in the order of which problems are told. */
  text?: () => string;
}

const shownBytes = 30;

/** What upstream shows of a body that it can't tell: text that may be JSON as it is, anything else in hexadecimal. */
function summary(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>';
  const shown = bytes.subarray(0, shownBytes).toString(bytes[0] === 0x7b ? 'utf8' : 'hex');
  return bytes.length > shownBytes ? `${shown} ...` : shown;
}

const unrecognized = (kind: string, problem: string, bytes: Buffer) =>
  errors.badRequest(`the object provided is unrecognized (must be of type ${kind}): ${problem} (${summary(bytes)})`);

const noHead = (kind: string, problem: string, bytes: Buffer) =>
  unrecognized(kind, `couldn't get version/kind; json parse error: ${problem}`, bytes);

export function parseJsonDocument(bytes: Buffer, kind: string): Document {
  try {
    const text = bytes.toString('utf8');
    return { ...parseJson(text, { duplicates: true }), text: () => text };
  } catch (error) {
    if (error instanceof DecodeError) throw noHead(kind, error.message, bytes);
    throw error;
  }
}

/** YAML's own limit upstream, and its words. */
const tooDeepYaml = 'exceeded max depth of 10000';

/** JSON is YAML, and what most clients send as such; undefined for YAML proper, and for what is to be told in YAML's words. */
function jsonInYaml(text: string): Document | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const { value, duplicates } = parseJson(text, { duplicates: true });
    return duplicates.length > 0 ? undefined : { value, duplicates, text: () => JSON.stringify(sortedKeys(value)) };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Further documents of the text are left unread, as upstream leaves them. */
function firstDocument(text: string, lines: LineCounter, kind: string, bytes: Buffer): YamlDocument | undefined {
  try {
    checkYamlDepth(text);
    const composer = new Composer({ uniqueKeys: false, intAsBigInt: true });
    const [document] = composer.compose(new Parser(lines.addNewLine).parse(text));
    return document;
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError)
      throw unrecognized(kind, `error converting YAML to JSON: yaml: ${tooDeepYaml}`, bytes);
    throw error;
  }
}

export function parseYamlDocument(bytes: Buffer, kind: string): Document {
  const text = bytes.toString('utf8');
  const json = jsonInYaml(text);
  if (json) return json;
  const lines = new LineCounter();
  const document = firstDocument(text, lines, kind, bytes);
  if (document === undefined) return { value: undefined, duplicates: [] };
  const [problem] = document.errors;
  if (problem !== undefined) {
    const why = problem.code === 'RESOURCE_EXHAUSTION' ? tooDeepYaml : problem.message;
    throw unrecognized(kind, `error converting YAML to JSON: yaml: ${why}`, bytes);
  }
  try {
    // Aliases are bounded, so that a small document can't grow without end. A pass through JSON leaves JSON's types only.
    const { value } = parseJson(JSON.stringify(document.toJS({ maxAliasCount: 100 })) ?? 'null');
    return { value, duplicates: [], repeated: repeatedKeys(document, lines), text: () => JSON.stringify(sortedKeys(value)) };
  } catch (error) {
    if (error instanceof RangeError || error instanceof DecodeError)
      throw unrecognized(kind, `error converting YAML to JSON: yaml: ${tooDeepYaml}`, bytes);
    if (error instanceof ReferenceError || error instanceof TypeError)
      throw unrecognized(kind, `error converting YAML to JSON: yaml: ${error.message}`, bytes);
    throw error;
  }
}

/** What Go's YAML parser says of keys that a text repeats. */
function repeatedKeys(document: YamlDocument, lines: LineCounter): string | undefined {
  const repeated: string[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) {
          const { line } = lines.linePos(key.range?.[0] ?? 0);
          repeated.push(`  line ${line}: key ${JSON.stringify(String(key.value))} already set in map`);
        }
        seen.add(key.value);
      }
    },
  });
  return repeated.length > 0 ? `yaml: unmarshal errors:\n${repeated.join('\n')}` : undefined;
}

export function parseProtobufDocument(bytes: Buffer, kind: string): Document {
  try {
    const envelope = openEnvelope(bytes);
    if (envelope.contentType === jsonType) return parseJsonDocument(Buffer.from(envelope.raw), kind);
    const node = kindNode({ ...parseApiVersion(envelope.apiVersion), kind: envelope.kind });
    if (node === undefined)
      throw errors.badRequest(
        `no kind ${JSON.stringify(envelope.kind)} is registered for version ${JSON.stringify(envelope.apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
      );
    return { value: decodeProtobuf(node, bytes), duplicates: [] };
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) throw unrecognized(kind, error.message, bytes);
    throw error;
  }
}

export function parseCborDocument(bytes: Buffer, kind: string): Document {
  try {
    return { value: decodeCbor(bytes), duplicates: [] };
  } catch (error) {
    if (error instanceof DecodeError) throw unrecognized(kind, error.message, bytes);
    throw error;
  }
}

const readers = new Map<string, (bytes: Buffer, kind: string) => Document>([
  [jsonType, parseJsonDocument],
  [yamlType, parseYamlDocument],
  [protobufType, parseProtobufDocument],
  [cborType, parseCborDocument],
]);

/** The document in a request's body. `kind` is what is expected, for messages. */
export async function readDocument(context: RequestContext, kind: string): Promise<Document> {
  const { body } = context;
  if (context.local) return { value: body.value, duplicates: [] };
  const bytes = await body.bytes();
  if (bytes.length === 0) return { value: undefined, duplicates: [] };
  const read = readers.get(body.contentType === '' ? jsonType : body.contentType);
  if (read === undefined || (body.contentType === cborType && !context.cbor))
    throw errors.unsupportedMediaType([...acceptedTypes, ...(context.cbor ? [cborType] : [])]);
  const document = read(bytes, kind);
  if (body.contentType !== protobufType) checkHead(document.value, kind, bytes);
  return document;
}

const headType = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

/** What comes before a body's kind is known: it must be an object that can say which it is. */
function checkHead(value: unknown, kind: string, bytes: Buffer): void {
  if (value === null || value === undefined) return;
  const type = (what: unknown) => (Array.isArray(what) ? 'array' : typeof what === 'boolean' ? 'bool' : typeof what);
  if (typeof value !== 'object' || Array.isArray(value))
    throw noHead(kind, `json: cannot unmarshal ${type(value)} into Go value of type ${headType}`, bytes);
  for (const field of ['apiVersion', 'kind'] as const) {
    const text = (value as Record<string, unknown>)[field] ?? ''; // any field of any object
    if (typeof text !== 'string')
      throw noHead(kind, `json: cannot unmarshal ${type(text)} into Go struct field .${field} of type string`, bytes);
    if (field === 'apiVersion' && text.split('/').length > 2) throw unrecognized(kind, `unexpected GroupVersion string: ${text}`, bytes);
  }
}
