/**
 * Who applies with kubectl on the client's side leaves the configuration in an annotation; who goes over to server-side apply with
 * kubectl keeps what that says is theirs, and the annotation up to date for the way back (KEP-555).
 */
import { goJson } from '../go-values.ts';
import { isJsonObject } from '../json-object.ts';
import { DecodeError, parseJson } from '../json-text.ts';
import { areAnnotationsTooLong } from '../object-meta.ts';
import type { KubeObject } from '../resource.ts';
import type { StructNode } from '../schema/node.ts';
import { difference, emptySet, type FieldSet } from './field-set.ts';
import { typedProblems } from './typed-problems.ts';
import { compare, fieldsOf } from './typed-value.ts';

/** Where kubectl's client-side apply leaves the configuration. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
/** The field manager that upstream's kubectl is in server-side apply. */
const kubectl = 'kubectl';

/**
 * The fields that `manager` had applied from its side and that are still as it applied them, which others that own them since
 * cannot refuse it. What somebody has changed after that is no longer its own.
 */
export function lastAppliedFields(
  manager: string,
  live: KubeObject | undefined,
  { node, apiVersion }: { node: StructNode; apiVersion: string },
): FieldSet {
  const text = manager === kubectl ? live?.metadata.annotations?.[lastAppliedAnnotation] : undefined;
  if (!text) return emptySet;
  try {
    const { value: applied } = parseJson(text);
    // Of another version, or of no object of the type, nothing can be told.
    if (!isJsonObject(applied) || applied.apiVersion !== apiVersion || typedProblems(node, applied) !== undefined) return emptySet;
    const since = compare(node, applied, live);
    return difference(difference(fieldsOf(node, applied), since.changed), since.removed);
  } catch (error) {
    // Anybody may write an annotation: what is no configuration gives no rights.
    if (error instanceof DecodeError) return emptySet;
    throw error;
  }
}

/** The object with its annotation, where it has one, telling of the configuration that `manager` has applied now. */
export function withLastApplied<T extends KubeObject>(manager: string, object: T, config: unknown): T {
  const { annotations } = object.metadata;
  if (manager !== kubectl || !annotations?.[lastAppliedAnnotation] || !isJsonObject(config)) return object;
  const { managedFields: _m, annotations: given, ...metadata } = isJsonObject(config.metadata) ? config.metadata : {};
  const { [lastAppliedAnnotation]: _g, ...others } = isJsonObject(given) ? given : {};
  const applied = { ...config, metadata: { ...metadata, ...(isJsonObject(given) ? { annotations: others } : {}) } };
  const { [lastAppliedAnnotation]: _a, ...rest } = annotations;
  const all = { ...rest, [lastAppliedAnnotation]: `${goJson(applied)}\n` };
  // Which makes no object one that can't be stored.
  return { ...object, metadata: { ...object.metadata, annotations: areAnnotationsTooLong(all) ? rest : all } };
}
