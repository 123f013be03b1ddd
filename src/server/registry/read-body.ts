/** From the body of a request to plain data: JSON, YAML or protobuf by content type. */

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
import { toJson, YamlProblem } from './yaml-conversion.ts';
import { tooDeepYaml } from './yaml-depth.ts';

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
  /** The text itself, of JSON. */
  source?: string;
}

const shownBytes = 30;

/** What upstream shows of a body that it can't tell: text that may be JSON as it is, anything else in hexadecimal. */
function summary(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>';
  const shown = bytes.subarray(0, shownBytes).toString(bytes[0] === 0x7b ? 'utf8' : 'hex');
  return bytes.length > shownBytes ? `${shown} ...` : shown;
}

/** Options are no object of the request: what is wrong with them is told alone. */
const unrecognized = (kind: string, problem: string, bytes: Buffer) =>
  errors.badRequest(
    kind === 'DeleteOptions' ? problem : `the object provided is unrecognized (must be of type ${kind}): ${problem} (${summary(bytes)})`,
  );

const noHead = (kind: string, problem: string, bytes: Buffer) =>
  unrecognized(kind, `couldn't get version/kind; json parse error: ${problem}`, bytes);

export function parseJsonDocument(bytes: Buffer, kind: string): Document {
  try {
    const text = bytes.toString('utf8');
    return { ...parseJson(text, { duplicates: true }), text: () => text, source: text };
  } catch (error) {
    if (error instanceof DecodeError) throw noHead(kind, error.message, bytes);
    throw error;
  }
}

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

/** `refused`: the error for what is no YAML; default: that of a body that is no object of the kind. */
export async function parseYamlDocument(
  bytes: Buffer,
  kind: string,
  signal: () => AbortSignal,
  refused = (why: string) => unrecognized(kind, why, bytes),
): Promise<Document> {
  const text = bytes.toString('utf8');
  const given = jsonInYaml(text);
  if (given) return given;
  try {
    const { json, repeated } = await toJson(text, signal);
    if (json === undefined) return { value: undefined, duplicates: [] };
    const { value } = parseJson(json);
    return { value, duplicates: [], repeated, text: () => JSON.stringify(sortedKeys(value)) };
  } catch (error) {
    const why = error instanceof DecodeError ? `yaml: ${tooDeepYaml}` : error instanceof YamlProblem ? error.message : undefined;
    if (why === undefined) throw error;
    throw refused(why);
  }
}

export function parseProtobufDocument(bytes: Buffer, kind: string): Document {
  try {
    const envelope = openEnvelope(bytes);
    if (envelope.contentType === jsonType) return parseJsonDocument(Buffer.from(envelope.raw), kind);
    const { group, version } = parseApiVersion(envelope.apiVersion);
    const node = kindNode({ group, version, kind: envelope.kind });
    if (node === undefined)
      throw errors.badRequest(
        `${envelope.kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: no kind ${JSON.stringify(envelope.kind)} is registered for version ${JSON.stringify(envelope.apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
      );
    return { value: decodeProtobuf(node, bytes), duplicates: [] };
  } catch (error) {
    if (error instanceof DecodeError || error instanceof RangeError) throw unrecognized(kind, error.message, bytes);
    throw error;
  }
}

export function parseCborDocument(bytes: Buffer, kind: string, refused = (why: string) => unrecognized(kind, why, bytes)): Document {
  try {
    return { value: decodeCbor(bytes), duplicates: [] };
  } catch (error) {
    if (error instanceof DecodeError) throw refused(error.message);
    throw error;
  }
}

const readers = new Map<string, (bytes: Buffer, kind: string, signal: () => AbortSignal) => Document | Promise<Document>>([
  [jsonType, parseJsonDocument],
  [yamlType, (bytes, kind, signal) => parseYamlDocument(bytes, kind, signal)],
  [protobufType, parseProtobufDocument],
  [cborType, (bytes, kind) => parseCborDocument(bytes, kind)],
]);

/** Notes how much a client has sent. */
export function counted(context: RequestContext, bytes: Buffer): Buffer {
  context.bodyBytes = bytes.length;
  context.milestone?.('limitedReadBody succeeded', { len: bytes.length });
  return bytes;
}

/** The document in a request's body. `kind` is what is expected, for messages. */
export async function readDocument(context: RequestContext, kind: string): Promise<Document> {
  const { body } = context;
  if (context.local) return { value: body.value, duplicates: [] };
  const bytes = counted(context, await body.bytes());
  if (bytes.length === 0) return { value: undefined, duplicates: [] };
  const read = readers.get(body.contentType === '' ? jsonType : body.contentType);
  if (read === undefined || (body.contentType === cborType && !context.cbor))
    throw errors.unsupportedMediaType([...acceptedTypes, ...(context.cbor ? [cborType] : [])]);
  const reading = read(bytes, kind, () => context.signal);
  const document = reading instanceof Promise ? await reading : reading;
  if (body.contentType !== protobufType) checkHead(document.value, kind, bytes);
  return document;
}

const headType = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

/** What comes before a body's kind is known: it must be an object that can say which it is. */
export function checkHead(value: unknown, kind: string, bytes: Buffer): void {
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
