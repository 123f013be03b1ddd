/** The patch in a request's body, ready to be applied to documents of a kind. */
import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  errors,
  type KubeObject,
  kindNode,
  PatchError,
  type Resource,
  StatusError,
} from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { applyType } from './apply.ts';
import { parseJsonDocument } from './read-body.ts';

const jsonPatchType = 'application/json-patch+json';
const mergePatchType = 'application/merge-patch+json';
const strategicType = 'application/strategic-merge-patch+json';

/** Applies the patch, which leaves the document as it was, and decodes what comes of it. */
export type DocumentPatch = (document: object, decode: (patched: unknown) => KubeObject) => KubeObject;

/** Reads the request's patch; `strategic`: whether one that merges by the schema table may be. Throws UnsupportedMediaType for a form that the kind does not take. */
export async function readPatch(
  context: RequestContext,
  resource: Resource,
  { strategic: takesStrategic = true } = {},
): Promise<DocumentPatch> {
  const type = context.body.contentType;
  const node = takesStrategic ? kindNode(resource) : undefined;
  const supported = [jsonPatchType, mergePatchType, ...(node === undefined ? [] : [strategicType]), applyType];
  if (!supported.includes(type) || type === applyType) throw errors.unsupportedMediaType(supported);
  const patch = context.local ? context.body.value : parseJsonDocument(await context.body.bytes(), resource.kind).value;
  context.audit?.request(undefined, () => patch);
  const strategic = type === strategicType && node !== undefined;
  const apply = (document: object): unknown => {
    if (type === jsonPatchType) return applyJsonPatch(document, patch);
    return strategic ? applyStrategicMergePatch(document, patch, node) : applyMergePatch(document, patch);
  };
  return (document, decode) => {
    let patched: unknown;
    try {
      patched = apply(document);
    } catch (error) {
      if (error instanceof PatchError) throw refused(error);
      throw error;
    }
    try {
      return decode(patched);
    } catch (error) {
      const reason = undecodable(error);
      if (reason === undefined) throw error;
      // A strategic merge never becomes JSON upstream: its errors speak of Go's values.
      throw strategic ? invalidPatch(goValue(patch), restoring(reason)) : invalidPatch(JSON.stringify(patched), reason);
    }
  };
}

function refused(error: PatchError): StatusError {
  if (error.reason === 'BadRequest') return errors.badRequest(error.message);
  if (error.reason === 'RequestEntityTooLarge') return new StatusError(413, error.reason, error.message, {});
  return new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

/** Why a patched document is none of the kind, without the words in which a create is told so. */
function undecodable(error: unknown): string | undefined {
  if (!(error instanceof StatusError) || error.code !== 400) return undefined;
  const [, reason] = / cannot be handled as a \w+: ((?:json: cannot unmarshal|strict decoding error).*)$/s.exec(error.message) ?? [];
  return reason;
}

function invalidPatch(value: string, reason: string): StatusError {
  const body = `Invalid value: ${JSON.stringify(value)}: ${reason}`;
  return errors.invalid({ group: '', kind: '' }, '', [{ type: 'FieldValueInvalid', field: 'patch', body }]);
}

/** The same mismatch in the words of upstream's converter from unstructured to typed. */
function restoring(reason: string): string {
  const [, from, to = ''] = /^json: cannot unmarshal (\w+) into Go .* of type (\S+)$/.exec(reason) ?? [];
  if (from === undefined) return reason;
  const source = from === 'number' ? 'int64' : from === 'object' ? 'map' : from === 'array' ? 'slice' : from;
  if (to.startsWith('[]')) return `cannot restore slice from ${source}`;
  if (to.startsWith('map[')) return `cannot restore map from ${source}`;
  if (to.includes('.')) return `cannot restore struct from: ${source}`;
  return `unrecognized type: ${to}`;
}

/** As Go's `%+v` prints decoded JSON: `map[spec:map[replicas:x]]`. */
function goValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${goValue(item)}`).join(' ')}]`;
}
