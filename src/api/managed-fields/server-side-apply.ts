/**
 * Who owns which field (KEP-555): `applyUpdate` on every write, `applyConfiguration` for server-side apply. Pure: time is an argument.
 */
import { decodeValue } from '../decode.ts';
import { deepEqual } from '../equality.ts';
import type { ManagedFieldsEntry } from '../generated/meta.v1.ts';
import type { KubeObject } from '../resource.ts';
import type { StructNode } from '../schema/node.ts';
import { errors, StatusError } from '../status-error.ts';
import { difference, emptySet, type FieldSet, intersection, isEmptySet, paths, recursiveDifference, union } from './field-set.ts';
import { lastAppliedFields, withLastApplied } from './last-applied.ts';
import { capManagers, type Manager, type Managers, managerIdentity, readManagers, writeManagers } from './managers.ts';
import { ApplyError, type Comparison, compare, fieldsOf, merge, namedFields, removeItems, withNamedFields } from './typed-value.ts';

/** Fields that nobody owns: the server sets them, or they name the object. */
const ownedByNobody: FieldSet = {
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    '.': {},
    'f:name': {},
    'f:namespace': {},
    'f:creationTimestamp': {},
    'f:selfLink': {},
    'f:uid': {},
    'f:clusterName': {},
    'f:generation': {},
    'f:managedFields': {},
    'f:resourceVersion': {},
  },
};

interface Operation {
  /** The client's name for itself: the fieldManager parameter, or the user agent up to its first slash. */
  manager: string;
  /** The version that the client speaks, e.g. `apps/v1`. */
  apiVersion: string;
  /** `status`, `scale`, ...; empty for the object itself. */
  subresource?: string;
  /** The present, RFC 3339 with seconds. */
  time: string;
  /** The type of the objects. */
  node: StructNode;
  /** Fields that this endpoint resets or ignores (`{ 'f:status': {} }` for the object itself where there is a status subresource). */
  resetFields?: FieldSet | undefined;
}

export interface UpdateOperation<T extends KubeObject> extends Operation {
  /** Undefined on create. */
  live: T | undefined;
  next: T;
}

export interface ApplyOperation<T extends KubeObject> extends Operation {
  /** Undefined if the apply creates the object. */
  live: T | undefined;
  /** What the client sent, decoded or not. */
  config: unknown;
  force: boolean;
  /** Makes an object of what was merged; default: as a Go round trip through the type. Custom resources are decoded by others. */
  decode?: (value: unknown) => unknown;
}

function withManagedFields<T extends KubeObject>(object: T, entries: readonly ManagedFieldsEntry[]): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: entries.length > 0 ? { ...metadata, managedFields: entries } : metadata };
}

/** A client that sends one empty entry asks for all to be forgotten. */
const isReset = (entries: readonly ManagedFieldsEntry[] | undefined) =>
  entries?.length === 1 && entries[0] !== undefined && !entries[0].operation && !entries[0].fieldsV1;

function compareOwned(node: StructNode, live: unknown, next: unknown, resetFields: FieldSet | undefined): Comparison {
  const { changed, removed } = compare(node, live, next);
  const strip = (set: FieldSet) => difference(resetFields ? recursiveDifference(set, resetFields) : set, ownedByNobody);
  return { changed: strip(changed), removed: strip(removed) };
}

const unchanged = ({ changed, removed }: Comparison) => isEmptySet(changed) && isEmptySet(removed);

/** Takes from all managers but `except` what has changed hands or is gone. */
function release(managers: Managers, { changed, removed }: Comparison, except: string): void {
  for (const [identity, m] of managers) {
    if (identity === except) continue;
    const fields = difference(difference(m.fields, intersection(m.fields, changed)), removed);
    if (isEmptySet(fields)) managers.delete(identity);
    else if (fields !== m.fields) managers.set(identity, { ...m, fields });
  }
}

function recordUpdate(managers: Managers, comparison: Comparison, by: Omit<Manager, 'fields' | 'operation'>): void {
  const identity = managerIdentity({ ...by, operation: 'Update' });
  release(managers, comparison, '');
  if (isEmptySet(comparison.changed)) return;
  managers.set(identity, { ...by, operation: 'Update', fields: union(managers.get(identity)?.fields ?? emptySet, comparison.changed) });
  capManagers(managers);
}

/**
 * Records in `next.metadata.managedFields` who set what, on create and update (also by patches other than apply). An object in
 * which nothing changed keeps the live one's entries.
 */
export function applyUpdate<T extends KubeObject>(operation: UpdateOperation<T>): T {
  const { live, next, node, manager, apiVersion, time, subresource = '' } = operation;
  const sent = next.metadata.managedFields;
  const kept = live?.metadata.managedFields ?? [];
  if (isReset(sent)) return withManagedFields(next, []);
  // A create sends none; an update that sends none, or sends nonsense, keeps the live object's.
  const given = sent && sent.length > 0 ? readManagers(sent) : undefined;
  const before = live ?? decodeValue(node, {});
  const comparison = compareOwned(node, before, next, operation.resetFields);
  if (unchanged(comparison)) {
    const entries = given && sent ? sent : kept;
    return next.metadata.managedFields === entries ? next : withManagedFields(next, entries);
  }
  const managers = given ?? readManagers(kept) ?? new Map();
  recordUpdate(managers, comparison, { manager, apiVersion, subresource, time });
  return withManagedFields(next, writeManagers(managers));
}

function managerText(m: Manager): string {
  const name = m.subresource ? `${JSON.stringify(m.manager)} with subresource ${JSON.stringify(m.subresource)}` : JSON.stringify(m.manager);
  return m.operation === 'Update' ? `${name} using ${m.apiVersion}` : name;
}

/** The 409 that names each field and its owner. */
function conflictError(conflicts: readonly { owner: Manager; fields: FieldSet }[]): StatusError {
  const list = conflicts.flatMap(({ owner, fields }) => [...paths(fields)].map((path) => ({ owner: managerText(owner), path })));
  const [first] = list;
  const text =
    list.length === 1 && first
      ? `1 conflict: conflict with ${first.owner}: ${first.path}`
      : `${list.length} conflicts: ${conflicts
          .map(({ owner, fields }) =>
            [`conflicts with ${managerText(owner)}:`, ...[...paths(fields)].map((path) => `- ${path}`)].join('\n'),
          )
          .join('\n')}`;
  return new StatusError(409, 'Conflict', `Apply failed with ${text}`, {
    causes: list.map(({ owner, path }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${owner}`, field: path })),
  });
}

/** Takes away what this manager applied last time, does not name any more, and nobody else owns. */
function prune(node: StructNode, merged: unknown, managers: Managers, last: FieldSet | undefined): unknown {
  if (!last || isEmptySet(last)) return merged;
  const lastNamed = withNamedFields(node, last);
  const all = withNamedFields(node, fieldsOf(node, merged));
  let owned = emptySet;
  for (const m of managers.values()) owned = union(owned, m.fields);
  const bare = removeItems(node, merged, lastNamed);
  const keep = union(withNamedFields(node, fieldsOf(node, bare)), withNamedFields(node, owned));
  const withOwned = removeItems(node, merged, difference(all, keep));
  const dangling = intersection(difference(all, withNamedFields(node, fieldsOf(node, withOwned))), lastNamed);
  return removeItems(node, merged, dangling);
}

/**
 * Server-side apply: merges a configuration into the live object and records its manager as the owner of what it names.
 * Answers the new object (with managedFields); where nothing changed, `live` itself.
 * @throws StatusError 409 with the conflicting fields, unless `force`; 400 for a configuration that cannot be merged.
 */
export function applyConfiguration<T extends KubeObject>(operation: ApplyOperation<T>): T {
  const { live, node, manager, apiVersion, time, subresource = '', resetFields, force } = operation;
  const decode = operation.decode ?? ((value: unknown) => decodeValue(node, value));
  const config = operation.config as { metadata?: { managedFields?: unknown[] } };
  if (config.metadata?.managedFields?.length) throw errors.badRequest('metadata.managedFields must be nil');
  const base = live ?? decode({});
  const managers = readManagers(live?.metadata.managedFields) ?? new Map();
  if (live && managers.size === 0) {
    const comparison = compareOwned(node, decode({}), live, undefined);
    recordUpdate(managers, comparison, { manager: 'before-first-apply', apiVersion, subresource: '', time });
  }
  const identity = managerIdentity({ manager, operation: 'Apply', apiVersion, subresource });
  const last = managers.get(identity);
  try {
    const named = namedFields(node, config);
    const fields = difference(resetFields ? recursiveDifference(named, resetFields) : named, ownedByNobody);
    const applied: Manager = { manager, operation: 'Apply', apiVersion, subresource, time, fields };
    managers.set(identity, applied);
    const merged = prune(node, merge(node, base, config), managers, last?.fields);
    const comparison = compareOwned(node, base, merged, resetFields);
    const contested = difference(comparison.changed, lastAppliedFields(manager, live, node));
    const conflicts = [...managers]
      .filter(([id]) => id !== identity)
      .map(([, owner]) => ({ owner, fields: intersection(owner.fields, contested) }))
      .filter((c) => !isEmptySet(c.fields));
    if (conflicts.length > 0 && !force) throw conflictError(conflicts);
    release(managers, comparison, identity);
    const sameOwner =
      last !== undefined &&
      last.apiVersion === apiVersion &&
      isEmptySet(difference(fields, last.fields)) &&
      isEmptySet(difference(last.fields, fields));
    // Decoded by the kind's own type; metadata that the server sets (uid, resourceVersion) came with the live object.
    const object = withLastApplied(manager, decode(merged) as T, config);
    const kept = (value: unknown) => (resetFields ? removeItems(node, value, resetFields) : value);
    if (live && sameOwner && deepEqual(kept(base), kept(object))) return live;
    return withManagedFields(object, writeManagers(managers));
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    throw errors.badRequest(
      `failed to create typed patch object (${apiVersion}, Kind=${node.typeName.slice(node.typeName.lastIndexOf('.') + 1)}): ${error.message}`,
    );
  }
}
