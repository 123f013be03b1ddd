/**
 * Who owns which field (KEP-555): `applyUpdate` on every write, `applyConfiguration` for server-side apply. Pure: time is an argument.
 */
import { decodeValue } from '../decode.ts';
import { deepEqual } from '../equality.ts';
import type { ManagedFieldsEntry } from '../generated/meta.v1.ts';
import type { KubeObject } from '../resource.ts';
import type { StructNode } from '../schema/node.ts';
import { errors, StatusError } from '../status-error.ts';
import { difference, emptySet, type FieldFilter, type FieldSet, filtered, intersection, isEmptySet, paths, union } from './field-set.ts';
import { lastAppliedFields, withLastApplied } from './last-applied.ts';
import {
  capManagers,
  isReset,
  type Manager,
  type Managers,
  managedFieldsProblem,
  managerIdentity,
  readManagers,
  writeManagers,
} from './managers.ts';
import { reconciled } from './reconcile.ts';
import { typedProblems } from './typed-problems.ts';
import { ApplyError, type Comparison, compare, fieldsOf, merge, namedFields, removeItems, withNamedFields } from './typed-value.ts';
import { type InVersion, inOneVersion, inVersion, type Steps, type VersionView } from './versions.ts';

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
  /** What this endpoint resets or ignores (`{ reset: { 'f:status': {} } }` for the object itself where there is a status subresource). */
  resetFields?: FieldFilter | undefined;
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

function compareOwned(node: StructNode, live: unknown, next: unknown, resetFields: FieldFilter | undefined): Comparison {
  const { changed, removed } = compare(node, live, next);
  const strip = (set: FieldSet) => difference(resetFields ? filtered(set, resetFields) : set, ownedByNobody);
  return { changed: strip(changed), removed: strip(removed) };
}

const unchanged = ({ changed, removed }: Comparison) => isEmptySet(changed) && isEmptySet(removed);

/** What nothing decodes to. */
const nothings = new WeakMap<StructNode, unknown>();

/** What there was of an object before: of one that is being created, nothing. */
function before(node: StructNode, object: KubeObject | undefined): unknown {
  if (object) return object;
  let nothing = nothings.get(node);
  if (nothing === undefined) {
    nothing = decodeValue(node, {});
    nothings.set(node, nothing);
  }
  return nothing;
}

/** What a write changes, as each manager's version has it; managers of versions that there are not any more are forgotten. */
function* comparisons(
  managers: Managers,
  own: InVersion & VersionView,
  live: KubeObject | undefined,
  ownComparison: Comparison = compareOwned(own.node, before(own.node, live), own.object, own.resetFields),
): Steps<Map<string, Comparison>> {
  const found = new Map([[own.apiVersion, ownComparison]]);
  for (const [identity, { apiVersion }] of managers) {
    if (found.has(apiVersion)) continue;
    const next = yield* inVersion(own, apiVersion);
    if (!next) {
      managers.delete(identity);
      continue;
    }
    const past = live && (yield* inVersion({ ...own, object: live }, apiVersion));
    found.set(apiVersion, compareOwned(next.node, before(next.node, past?.object), next.object, next.resetFields));
  }
  return found;
}

const noChange: Comparison = { changed: emptySet, removed: emptySet };

/** Takes from all managers but `except` what has changed hands or is gone. */
function release(managers: Managers, changes: ReadonlyMap<string, Comparison>, except: string): void {
  for (const [identity, m] of managers) {
    if (identity === except) continue;
    const { changed, removed } = changes.get(m.apiVersion) ?? noChange;
    const fields = difference(difference(m.fields, intersection(m.fields, changed)), removed);
    if (isEmptySet(fields)) managers.delete(identity);
    else if (fields !== m.fields) managers.set(identity, { ...m, fields, entry: undefined });
  }
}

/** Upstream takes over whose the replicas are from the Scale, but not since when. */
const timeOf = (managers: Managers, by: Omit<Manager, 'fields'>): string | undefined =>
  by.subresource === 'scale' ? managers.get(managerIdentity(by))?.time : by.time;

function recordUpdate(managers: Managers, changes: ReadonlyMap<string, Comparison>, by: Omit<Manager, 'fields' | 'operation'>): void {
  const updater = { ...by, operation: 'Update' as const };
  const identity = managerIdentity(updater);
  release(managers, changes, '');
  const { changed } = changes.get(by.apiVersion) ?? noChange;
  if (!isEmptySet(changed))
    managers.set(identity, {
      ...updater,
      time: timeOf(managers, updater),
      fields: union(managers.get(identity)?.fields ?? emptySet, changed),
    });
  capManagers(managers);
}

/**
 * Records in `next.metadata.managedFields` who set what, on create and update (also by patches other than apply). An object in
 * which nothing changed keeps the live one's entries.
 */
export function* updateSteps<T extends KubeObject>(operation: UpdateOperation<T>): Steps<T> {
  const { live, next, node, manager, apiVersion, time, resetFields, subresource = '' } = operation;
  const managers = reconciled(managersOf(live, next, subresource), operation);
  // Of an object without managers nobody is told until somebody applies to it.
  if (live && managers.size === 0) return withManagedFields(next, []);
  const comparison = compareOwned(node, before(node, live), next, resetFields);
  const isOwn = [...managers.values()].every((m) => m.apiVersion === apiVersion);
  if (isOwn && unchanged(comparison)) {
    // A client may have named more than there may be.
    capManagers(managers);
    return withManagedFields(next, writeManagers(managers));
  }
  const changes = yield* comparisons(managers, { apiVersion, object: next, node, resetFields }, live, comparison);
  recordUpdate(managers, changes, { manager, apiVersion, subresource, time });
  return withManagedFields(next, writeManagers(managers));
}

function storedManagers(live: KubeObject | undefined): Managers {
  const stored = live?.metadata.managedFields;
  return readManagers(stored, stored) ?? new Map();
}

/** Whom the client names, which is its right on the object itself; else whom the object as it is names. */
function managersOf(live: KubeObject | undefined, { metadata }: KubeObject, subresource: string): Managers {
  if (subresource === '') {
    if (isReset(metadata.managedFields)) return new Map();
    const sent = readManagers(metadata.managedFields, live?.metadata.managedFields);
    if (sent && sent.size > 0) return sent;
  }
  return storedManagers(live);
}

/** As updateSteps, where all managers speak one version. */
export const applyUpdate = <T extends KubeObject>(operation: UpdateOperation<T>): T => inOneVersion(updateSteps(operation), operation);

function managerText(m: Manager): string {
  const name = m.subresource ? `${JSON.stringify(m.manager)} with subresource ${JSON.stringify(m.subresource)}` : JSON.stringify(m.manager);
  return m.operation === 'Update' ? `${name} using ${m.apiVersion}` : name;
}

/** The 409 that names each field and its owner. */
function conflictError(conflicts: readonly { owner: Manager; fields: FieldSet }[]): StatusError {
  const byOwner = conflicts
    .map(({ owner, fields }) => ({ id: managerIdentity(owner), owner: managerText(owner), found: paths(fields) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const list = byOwner.flatMap(({ owner, found }) => found.map((path) => ({ owner, path })));
  const [first] = list;
  const text =
    list.length === 1 && first
      ? `1 conflict: conflict with ${first.owner}: ${first.path}`
      : `${list.length} conflicts: ${byOwner
          .map(({ owner, found }) => [`conflicts with ${owner}:`, ...found.map((path) => `- ${path}`)].join('\n'))
          .join('\n')}`;
  return new StatusError(409, 'Conflict', `Apply failed with ${text}`, {
    causes: list.map(({ owner, path }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${owner}`, field: path })),
  });
}

const allOf = (node: StructNode, object: unknown) => withNamedFields(node, fieldsOf(node, object));

/**
 * Takes away what this manager applied last time, does not name any more, and nobody else owns. `named`: what it names now, also of
 * what nobody owns: a configuration with a name keeps its metadata, whatever was the last label in it.
 */
function* prune(whole: InVersion & VersionView, managers: Managers, last: Manager | undefined, named: FieldSet): Steps<KubeObject> {
  if (!last || isEmptySet(last.fields)) return whole.object;
  const merged = yield* inVersion(whole, last.apiVersion);
  if (!merged) return whole.object;
  const { node } = merged;
  const lastNamed = withNamedFields(node, last.fields);
  const owned = new Map<string, FieldSet>([[last.apiVersion, emptySet]]);
  const own = (apiVersion: string, fields: FieldSet) => owned.set(apiVersion, union(owned.get(apiVersion) ?? emptySet, fields));
  for (const m of managers.values()) own(m.apiVersion, m.fields);
  own(whole.apiVersion, named);
  // Where others' fields are needed for a conversion, they are back before it: the version at hand comes first.
  let pruned = { ...merged, object: removeItems(node, merged.object, lastNamed) as KubeObject };
  for (const [apiVersion, fields] of owned) {
    const all = yield* inVersion(merged, apiVersion);
    const left = yield* inVersion(pruned, apiVersion);
    if (!all || !left) continue;
    const keep = union(allOf(all.node, left.object), withNamedFields(all.node, fields));
    // What remains of an object is one.
    pruned = { ...all, object: removeItems(all.node, all.object, difference(allOf(all.node, all.object), keep)) as KubeObject };
  }
  const left = (yield* inVersion(pruned, last.apiVersion)) ?? pruned;
  const dangling = intersection(difference(allOf(node, merged.object), allOf(node, left.object)), lastNamed);
  const result = { ...merged, object: removeItems(node, merged.object, dangling) as KubeObject };
  return ((yield* inVersion(result, whole.apiVersion)) ?? whole).object;
}

/** Who owns, in its own version, what is about to change. */
function* conflictsOf(
  managers: Managers,
  changes: ReadonlyMap<string, Comparison>,
  identity: string,
  ours: () => FieldSet,
): Iterable<{ owner: Manager; fields: FieldSet }> {
  for (const [id, owner] of managers) {
    if (id === identity) continue;
    const { changed } = changes.get(owner.apiVersion) ?? noChange;
    const contested = intersection(owner.fields, changed);
    if (isEmptySet(contested)) continue;
    const fields = difference(contested, ours());
    if (!isEmptySet(fields)) yield { owner, fields };
  }
}

/**
 * Server-side apply: merges a configuration into the live object and records its manager as the owner of what it names.
 * Answers the new object (with managedFields); where nothing changed, `live` itself.
 * @throws StatusError 409 with the conflicting fields, unless `force`; 500, as upstream, for a configuration that cannot be merged.
 */
export function* applySteps<T extends KubeObject>(operation: ApplyOperation<T>): Steps<T> {
  const { live, node, manager, apiVersion, time, subresource = '', resetFields, force } = operation;
  const decode = operation.decode ?? ((value: unknown) => decodeValue(node, value));
  const config = operation.config as { metadata?: { managedFields?: unknown[] } };
  if (Array.isArray(config.metadata?.managedFields)) throw errors.badRequest('metadata.managedFields must be nil');
  const base = live ?? decode({});
  const problem = managedFieldsProblem(live?.metadata.managedFields);
  if (problem !== undefined) throw new StatusError(500, '', `failed to decode managed fields: ${problem}`, {});
  const managers = reconciled(storedManagers(live), operation);
  if (live && managers.size === 0) {
    const all = compareOwned(node, decode({}), live, resetFields);
    recordUpdate(managers, new Map([[apiVersion, all]]), { manager: 'before-first-apply', apiVersion, subresource, time });
  }
  const identity = managerIdentity({ manager, operation: 'Apply', apiVersion, subresource });
  const last = managers.get(identity);
  try {
    const all = namedFields(node, config);
    const named = resetFields ? filtered(all, resetFields) : all;
    const fields = difference(named, ownedByNobody);
    const applier = { manager, operation: 'Apply' as const, apiVersion, subresource, time };
    const applied: Manager = { ...applier, time: timeOf(managers, applier), fields };
    managers.set(identity, applied);
    // What an object and a configuration merge into is an object.
    const whole = { apiVersion, object: merge(node, base, config) as KubeObject, node, resetFields };
    const merged = yield* prune(whole, managers, last, named);
    const kept = (value: unknown) => (resetFields?.reset ? removeItems(node, value, resetFields.reset) : value);
    // Who comes to own fields that stay as they are has changed nothing, at no time.
    if (deepEqual(kept(base), kept(merged))) applied.time = last?.time;
    const changes = yield* comparisons(managers, { ...whole, object: merged }, live);
    const conflicts = force ? [] : [...conflictsOf(managers, changes, identity, () => lastAppliedFields(manager, live, operation))];
    if (conflicts.length > 0) throw conflictError(conflicts);
    release(managers, changes, identity);
    const sameOwner =
      last !== undefined &&
      last.apiVersion === apiVersion &&
      isEmptySet(difference(fields, last.fields)) &&
      isEmptySet(difference(last.fields, fields));
    // Decoded by the kind's own type; metadata that the server sets (uid, resourceVersion) came with the live object.
    const object = withLastApplied(manager, decode(merged) as T, config);
    if (live && sameOwner && deepEqual(kept(base), kept(object))) return live;
    return withManagedFields(object, writeManagers(managers));
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    throw untyped(operation, error.message);
  }
}

/** Of a configuration that does not fit the type. */
function untyped(
  { apiVersion, node, config }: Pick<ApplyOperation<KubeObject>, 'apiVersion' | 'node' | 'config'>,
  why: string,
): StatusError {
  const { namespace = '', name = '' } = (config as Partial<KubeObject>).metadata ?? {};
  const groupVersion = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  const kind = node.typeName.slice(node.typeName.lastIndexOf('.') + 1);
  return new StatusError(500, '', `failed to create typed patch object (${namespace}/${name}; ${groupVersion}, Kind=${kind}): ${why}`);
}

/** @throws StatusError 500, as upstream, for a configuration with fields that the type does not have, or with values of another */
export function checkTyped(operation: Pick<ApplyOperation<KubeObject>, 'apiVersion' | 'node' | 'config'>): void {
  const problem = typedProblems(operation.node, operation.config);
  if (problem !== undefined) throw untyped(operation, problem);
}

/** As applySteps, where all managers speak one version. */
export const applyConfiguration = <T extends KubeObject>(operation: ApplyOperation<T>): T => inOneVersion(applySteps(operation), operation);
