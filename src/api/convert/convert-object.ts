import { decodeValue } from '../decode.ts';
import { applyTableDefaults } from '../defaulting.ts';
import { deepCopy } from '../equality.ts';
import type { KindDefinition, ServedVersion } from '../kind.ts';
import { kinds } from '../kinds.ts';
import { apiVersionOf, type KubeObject, parseApiVersion, type Resource } from '../resource.ts';
import type { StructNode } from '../schema/node.ts';
import { kindNode } from '../schema/table.ts';

/** A document that can't be converted; the message says what and, in it, where. */
export class ConversionError extends Error {
  override readonly name = 'ConversionError';
}

interface Place {
  definition: KindDefinition;
  /** Undefined for the storage version. */
  version: ServedVersion | undefined;
  resource: Resource;
}

function placesOf(definition: KindDefinition): Place[] {
  return [
    { definition, version: undefined, resource: definition.resource },
    ...(definition.versions ?? []).map((version) => ({ definition, version, resource: version.resource })),
  ];
}

function find(apiVersion: string, kind: string): Place | undefined {
  for (const definition of kinds)
    for (const place of placesOf(definition)) if (place.resource.kind === kind && apiVersionOf(place.resource) === apiVersion) return place;
  return undefined;
}

/** A document's type, which it must name. */
export function nodeOfDocument(value: unknown): { head: Pick<KubeObject, 'apiVersion' | 'kind'>; node: StructNode | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConversionError(
      `an object is expected, not ${Array.isArray(value) ? 'a list' : value === null ? 'nothing' : `a ${typeof value}`}`,
    );
  const { apiVersion, kind } = value as Record<string, unknown>; // any field of any object
  for (const [field, text] of [
    ['apiVersion', apiVersion],
    ['kind', kind],
  ] as const)
    if (typeof text !== 'string' || text === '') throw new ConversionError(`${field}: Required value: it says what the document is`);
  const head = { apiVersion: String(apiVersion), kind: String(kind) };
  return { head, node: kindNode({ ...parseApiVersion(head.apiVersion), kind: head.kind }) };
}

/**
 * A document as its type has it: canonical quantities and times, no empty optional fields. A document of an unknown type stays as it is.
 * @throws ConversionError for a field that the type does not have, DecodeError for a value of a wrong type
 */
export function checkDocument(value: unknown): KubeObject {
  const { head, node } = nodeOfDocument(value);
  if (node === undefined) return value as KubeObject; // it has a head, and what is below is its own affair
  const unknown: string[] = [];
  const object = decodeValue(node, value, unknown) as KubeObject;
  if (unknown.length > 0) throw new ConversionError(unknown.map((path) => `unknown field ${JSON.stringify(path)}`).join(', '));
  return { ...object, ...head };
}

/**
 * The object in another version of its kind, through the storage version, with the defaults of the version that it was written in.
 * @throws ConversionError where the kind is not known in that version
 */
export function convertObject(object: KubeObject, toVersion: string): KubeObject {
  if (object.apiVersion === toVersion) return object;
  const from = find(object.apiVersion, object.kind);
  if (!from)
    throw new ConversionError(`no kind ${JSON.stringify(object.kind)} is registered for version ${JSON.stringify(object.apiVersion)}`);
  const to = placesOf(from.definition).find(({ resource }) => apiVersionOf(resource) === toVersion);
  if (!to) {
    const known = placesOf(from.definition).map(({ resource }) => apiVersionOf(resource));
    throw new ConversionError(`${object.kind} is not known in version ${JSON.stringify(toVersion)}, only in ${known.join(', ')}`);
  }
  const copy = deepCopy(object);
  const defaultByTable = (resource: Resource, target: KubeObject) => {
    const node = kindNode(resource);
    if (node) applyTableDefaults(node, target);
  };
  defaultByTable(from.resource, copy);
  from.version?.defaults?.(copy);
  const stored = from.version ? from.version.toStorage(copy) : copy;
  return to.version ? to.version.fromStorage(stored) : stored;
}
