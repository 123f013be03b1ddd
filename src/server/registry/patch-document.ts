/** The patch in a request's body, ready to be applied to documents of a kind. */
import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  DecodeError,
  errors,
  FieldPath,
  goValue,
  isJsonObject,
  jsonTypeOf,
  type KubeObject,
  kindNode,
  maxStrictErrors,
  type ParsedJson,
  PatchError,
  parseJson,
  type Resource,
  StatusError,
  type StructNode,
} from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { applyType } from './apply.ts';
import { counted } from './read-body.ts';
import { type FieldValidation, type WriteOptions, writeOptions } from './write-options.ts';

const jsonPatchType = 'application/json-patch+json';
const mergePatchType = 'application/merge-patch+json';
const strategicType = 'application/strategic-merge-patch+json';

/** Applies the patch, which leaves the document as it was, and decodes what comes of it. */
export type DocumentPatch = (document: object, decode: (patched: unknown) => KubeObject) => KubeObject;

/** The form of a request's patch that is not server-side apply, and what it is asked with. */
export interface PatchRequest {
  options: WriteOptions;
  /** By which one that merges by the schema table does so. */
  node: StructNode | undefined;
}

/**
 * What the request's patch is. Throws UnsupportedMediaType, before anything else that may be wrong, for a form that the kind does not
 * take. `strategic`: whether it may be one that merges by the schema table; default: where the table has the kind.
 */
export function patchRequest(context: RequestContext, resource: Resource, strategic = true): PatchRequest {
  const type = context.body.contentType;
  const node = strategic ? kindNode(resource) : undefined;
  const supported = [jsonPatchType, mergePatchType, ...(node === undefined ? [] : [strategicType]), applyType];
  if (!supported.includes(type) || type === applyType)
    // Of a built-in kind the router says so.
    throw node === undefined
      ? errors.unsupportedMediaType(supported)
      : new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  const options = writeOptions(context, 'PatchOptions', (problems) => {
    if (context.query.has('force')) problems.forbidden(new FieldPath('force'), 'may not be specified for non-apply patch');
  });
  return { options, node };
}

/** Reads the request's patch. */
export async function readPatch(context: RequestContext, { options: { fieldValidation }, node }: PatchRequest): Promise<DocumentPatch> {
  const type = context.body.contentType;
  let document: ParsedJson;
  try {
    document = context.local
      ? { value: context.body.value, duplicates: [] }
      : parsePatch(counted(context, await context.body.bytes()), type, fieldValidation);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    // Of what is not there that is told first, whatever the patch says.
    return () => {
      throw error;
    };
  }
  context.audit?.request(undefined, () => document.value);
  // To Go's decoder null is a patch that says nothing, but not one that is merged by its own rules.
  const patch = document.value === null && type !== mergePatchType ? (type === jsonPatchType ? [] : {}) : document.value;
  const problems = fieldValidation === 'Ignore' ? [] : problemsOf(document, type === jsonPatchType);
  const strategic = type === strategicType && node !== undefined;
  const apply = (document: object): unknown => {
    if (type === jsonPatchType) return applyJsonPatch(document, patch);
    if (patch === null) throw errors.badRequest('Invalid JSON Patch');
    return strategic ? keepType(document, applyStrategicMergePatch(document, patch, node)) : applyMergePatch(document, patch);
  };
  return (document, decode) => {
    let patched: unknown;
    try {
      patched = apply(document);
    } catch (error) {
      if (error instanceof PatchError) throw refused(error);
      throw error;
    }
    // A strategic merge never becomes JSON upstream: its errors speak of Go's values.
    const invalid = (reason: string) =>
      strategic ? invalidPatch(goValue(patch), restoring(reason)) : invalidPatch(JSON.stringify(patched), reason);
    if (fieldValidation === 'Warn') for (const problem of problems) context.warn(problem);
    const strict = fieldValidation === 'Strict' ? problems : [];
    let object: KubeObject;
    try {
      object = decode(patched);
    } catch (error) {
      const reason = undecodable(error);
      if (reason === undefined) throw error;
      const more = reason.startsWith(strictly) ? [reason.slice(strictly.length)] : [];
      throw invalid(more.length > 0 ? strictly + [...strict, ...more].join(', ') : reason);
    }
    if (strict.length > 0) throw invalid(strictly + strict.join(', '));
    return object;
  };
}

/**
 * A strategic merge goes into an object of the type that there is, whatever kind it names: clients patch a Deployment's scale by what
 * says that it is a Deployment.
 */
function keepType(document: object, patched: unknown): unknown {
  if (!isJsonObject(patched)) return patched;
  for (const field of ['apiVersion', 'kind'] as const) {
    if (patched[field] === undefined || typeof patched[field] === 'string') patched[field] = (document as Partial<KubeObject>)[field];
  }
  return patched;
}

/** What a patch of each type is decoded into upstream. */
const goTypes: Record<string, string> = { [jsonPatchType]: '[]handlers.jsonPatchOp', [mergePatchType]: 'map[string]interface {}' };

function parsePatch(bytes: Buffer, type: string, validation: FieldValidation): ParsedJson {
  const refused = (why: string) =>
    errors.badRequest(type === strategicType || validation === 'Ignore' ? why : `error decoding patch: ${why}`);
  let document: ParsedJson;
  try {
    document = parseJson(bytes.toString('utf8'), { duplicates: true });
  } catch (error) {
    if (error instanceof DecodeError) throw refused(error.message);
    throw error;
  }
  const { value } = document;
  if (value !== null && (type === jsonPatchType ? !Array.isArray(value) : !isJsonObject(value))) {
    throw refused(`json: cannot unmarshal ${jsonTypeOf(value)} into Go value of type ${goTypes[type] ?? 'map[string]interface {}'}`);
  }
  const misfit = type === jsonPatchType && validation !== 'Ignore' && Array.isArray(value) ? misfitIn(value) : undefined;
  if (misfit !== undefined) throw refused(`json: cannot unmarshal ${misfit}`);
  return document;
}

/** The first operation that is none, or that says something of another type than text. Who ignores fields is told when it is applied. */
function misfitIn(operations: readonly unknown[]): string | undefined {
  for (const operation of operations) {
    if (operation === null) continue;
    if (!isJsonObject(operation)) return `${jsonTypeOf(operation)} into Go value of type handlers.jsonPatchOp`;
    for (const [field, value] of Object.entries(operation))
      if ((field === 'op' || field === 'from' || field === 'path') && value !== null && typeof value !== 'string')
        return `${jsonTypeOf(value)} into Go struct field jsonPatchOp.${field} of type string`;
  }
  return undefined;
}

const strictly = 'strict decoding error: ';
const operationFields = new Set(['op', 'path', 'from', 'value']);

/** What the patch itself repeats, and what its operations have that operations have not. */
function problemsOf({ value, duplicates }: ParsedJson, isJsonPatch: boolean): string[] {
  if (!isJsonPatch) return duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`);
  const operations = Array.isArray(value) ? value : [];
  const found: string[] = [];
  for (const [i, operation] of operations.entries()) {
    if (found.length >= maxStrictErrors) break;
    const unknown = isJsonObject(operation) ? Object.keys(operation).filter((field) => !operationFields.has(field)) : [];
    for (const field of unknown) found.push(`json patch unknown field ${JSON.stringify(`[${i}].${field}`)}`);
    for (const path of duplicates) if (path.startsWith(`[${i}].`)) found.push(`json patch duplicate field ${JSON.stringify(path)}`);
  }
  return found.slice(0, maxStrictErrors);
}

function refused(error: PatchError): StatusError {
  if (error.reason === 'BadRequest') return errors.badRequest(error.message);
  if (error.reason === 'Unknown') return new StatusError(500, '', error.message);
  if (error.reason === 'RequestEntityTooLarge') return new StatusError(413, error.reason, error.message, {});
  return new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

/** Why a patched document is none of the kind, without the words in which a create is told so. */
function undecodable(error: unknown): string | undefined {
  if (!(error instanceof StatusError) || error.code !== 400) return undefined;
  return / cannot be handled as a \w+: (.*)$/s.exec(error.message)?.[1];
}

function invalidPatch(value: string, reason: string): StatusError {
  const body = `Invalid value: ${JSON.stringify(value)}: ${reason}`;
  return errors.invalid({ group: '', kind: '' }, '', [{ type: 'FieldValueInvalid', field: 'patch', body }]);
}

/** The same mismatch in the words of upstream's converter from unstructured to typed. */
function restoring(reason: string): string {
  const [, from, fraction, to = ''] = /^json: cannot unmarshal (\w+)( \S+)? into Go .* of type (\S+)$/.exec(reason) ?? [];
  if (from === undefined) return reason.startsWith('illegal base64') ? `error decoding from json: ${reason}` : reason;
  if (fraction !== undefined && to.startsWith('int')) return `cannot convert float64 to ${to}`;
  if (from === 'number' && to === 'string') return 'cannot convert int64 to string';
  const source = from === 'number' ? 'int64' : from === 'object' ? 'map' : from === 'array' ? 'slice' : from;
  if (to.startsWith('[]')) return `cannot restore slice from ${source}`;
  if (to.startsWith('map[')) return `cannot restore map from ${source}`;
  if (to.includes('.')) return `cannot restore struct from: ${source}`;
  return `unrecognized type: ${to}`;
}
