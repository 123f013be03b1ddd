/** From the body of a request to an object of its kind, with upstream's errors and warnings. */
import { decodeValue, problemOf } from './decode.ts';
import { isJsonObject } from './json-object.ts';
import { DecodeError, parseJson } from './json-text.ts';
import { mayHaveLiterals, parseLiterals } from './number-literals.ts';
import { apiVersionOf, type KubeObject } from './resource.ts';
import type { StructNode } from './schema/node.ts';
import { kindNode } from './schema/table.ts';
import { errors } from './status-error.ts';
import { strictErrors } from './strict-errors.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface Decoded {
  object: KubeObject;
  /** With `Warn`: what the Warning headers say. */
  warnings: string[];
}

export interface DecodeOptions {
  /** Default: Warn, as the API server's. */
  fieldValidation?: FieldValidation | undefined;
  /** Where the body was parsed by others: what it repeats, and its text. */
  duplicates?: readonly string[];
  repeated?: string | undefined;
  text?: (() => string) | undefined;
  /** The text itself, where it is what the client sent: its numbers are told apart by how they are written. */
  source?: string | undefined;
}

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** The 400 that upstream answers to a body that does not fit its kind. */
function cannotBeHandled(gvk: GroupVersionKind, why: string) {
  return errors.badRequest(`${gvk.kind} in version ${JSON.stringify(gvk.version)} cannot be handled as a ${gvk.kind}: ${why}`);
}

/**
 * Decodes a parsed body as an object of a kind.
 * @throws StatusError 400 in upstream's words: wrong types; with `Strict`, unknown and duplicate fields.
 */
export function decodeObject(value: unknown, gvk: GroupVersionKind, node: StructNode, options: DecodeOptions = {}): Decoded {
  const mode = options.fieldValidation ?? 'Warn';
  const { duplicates, repeated, text, source } = options;
  const unknown: string[] | undefined = mode === 'Ignore' ? undefined : [];
  const opaque: string[] | undefined = unknown && duplicates?.length ? [] : undefined;
  let object: KubeObject;
  try {
    const given = source !== undefined && mayHaveLiterals(source) ? parseLiterals(source) : value;
    // The node is that of a kind: it decodes to an object with metadata.
    object = decodeValue(node, given, unknown, opaque) as KubeObject;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw cannotBeHandled(gvk, problemOf(node, text ? parseLiterals(text()) : value) || error.message);
  }
  object.kind = gvk.kind;
  object.apiVersion = apiVersionOf(gvk);
  if (!unknown) return { object, warnings: [] };
  const strict = strictErrors({ unknown, opaque, duplicates, repeated, text });
  if (mode === 'Strict' && strict.length > 0) throw cannotBeHandled(gvk, `strict decoding error: ${strict.join(', ')}`);
  return { object, warnings: strict };
}

/**
 * Decodes a JSON body as an object of a kind. A body that names another kind or version is refused.
 * @throws StatusError 400
 */
export function decodeJson(text: string, gvk: GroupVersionKind, options: DecodeOptions = {}): Decoded {
  const node = kindNode(gvk);
  if (!node) throw errors.badRequest(`no kind ${JSON.stringify(gvk.kind)} is registered for version ${JSON.stringify(apiVersionOf(gvk))}`);
  let parsed: { value: unknown; duplicates: string[] };
  try {
    parsed = parseJson(text, { duplicates: (options.fieldValidation ?? 'Warn') !== 'Ignore' });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw errors.badRequest(
      `the object provided is unrecognized (must be of type ${gvk.kind}): couldn't get version/kind; json parse error: ${error.message}`,
    );
  }
  const { value, duplicates } = parsed;
  if (isJsonObject(value)) {
    const { kind, apiVersion } = value;
    const expected = apiVersionOf(gvk);
    if (
      (typeof kind === 'string' && kind !== '' && kind !== gvk.kind) ||
      (typeof apiVersion === 'string' && apiVersion !== '' && apiVersion !== expected)
    )
      throw errors.badRequest(
        `the object provided is unrecognized (must be of type ${gvk.kind}): the API version in the data (${apiVersion ?? ''}) with kind ${kind ?? ''} does not match the expected API version (${expected}) with kind ${gvk.kind}`,
      );
  }
  return decodeObject(value, gvk, node, { ...options, duplicates, text: () => text, source: text });
}
