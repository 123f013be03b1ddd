/** From the body of a request to plain data: JSON, YAML or protobuf by content type. */
import { parseDocument } from 'yaml';
import { DecodeError, decodeProtobuf, errors, kindNode, openEnvelope, parseApiVersion, parseJson } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';

export const jsonType = 'application/json';
export const yamlType = 'application/yaml';
export const protobufType = 'application/vnd.kubernetes.protobuf';
export const acceptedTypes = [jsonType, yamlType, protobufType] as const;

export interface Document {
  /** Undefined where there is no body. */
  value: unknown;
  /** Paths of keys that the text repeats. */
  duplicates: readonly string[];
}

const unrecognized = (kind: string, problem: string) =>
  errors.badRequest(`the object provided is unrecognized (must be of type ${kind}): ${problem}`);

export function parseJsonDocument(bytes: Buffer, kind: string): Document {
  try {
    return parseJson(bytes.toString('utf8'), { duplicates: true });
  } catch (error) {
    if (error instanceof DecodeError) throw unrecognized(kind, `couldn't get version/kind; json parse error: ${error.message}`);
    throw error;
  }
}

export function parseYamlDocument(bytes: Buffer, kind: string): Document {
  const document = parseDocument(bytes.toString('utf8'), { uniqueKeys: false });
  const [problem] = document.errors;
  if (problem !== undefined) throw unrecognized(kind, `error converting YAML to JSON: ${problem.message}`);
  try {
    // Aliases are bounded, so that a small document can't grow without end. A pass through JSON leaves JSON's types only.
    return parseJson(JSON.stringify(document.toJS({ maxAliasCount: 100 })) ?? 'null');
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError || error instanceof DecodeError || error instanceof TypeError)
      throw unrecognized(kind, `error converting YAML to JSON: ${error.message}`);
    throw error;
  }
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
    if (error instanceof DecodeError || error instanceof RangeError) throw unrecognized(kind, error.message);
    throw error;
  }
}

const readers = new Map<string, (bytes: Buffer, kind: string) => Document>([
  [jsonType, parseJsonDocument],
  [yamlType, parseYamlDocument],
  [protobufType, parseProtobufDocument],
]);

/** The document in a request's body. `kind` is what is expected, for messages. */
export async function readDocument(context: RequestContext, kind: string): Promise<Document> {
  const { body } = context;
  if (context.local) return { value: body.value, duplicates: [] };
  const bytes = await body.bytes();
  if (bytes.length === 0) return { value: undefined, duplicates: [] };
  const read = readers.get(body.contentType === '' ? jsonType : body.contentType);
  if (read === undefined) throw errors.unsupportedMediaType(acceptedTypes);
  return read(bytes, kind);
}
