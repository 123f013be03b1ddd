/** The managers of an object's fields, between their stored form (`metadata.managedFields`) and sets. */
import { goQuote } from '../fields.ts';
import type { ManagedFieldsEntry } from '../generated/meta.v1.ts';
import type { KubeObject } from '../resource.ts';
import { emptySet, type FieldSet, isEmptySet, isFieldSet, isSorted, sorted, union } from './field-set.ts';

export interface Manager {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  /** RFC 3339; absent in entries of before 1.18. */
  time: string | undefined;
  fields: FieldSet;
  /** The entry that it was read from or written as: while it stays what it is, that is stored again. Not to be copied. */
  entry?: ManagedFieldsEntry | undefined;
}

/** By identity: name, operation, subresource and, of updates, the version. */
export type Managers = Map<string, Manager>;

export function managerIdentity(m: Pick<Manager, 'manager' | 'operation' | 'apiVersion' | 'subresource'>): string {
  return `${m.manager}\n${m.operation}\n${m.operation === 'Apply' ? '' : m.apiVersion}\n${m.subresource}`;
}

const noEntries: readonly ManagedFieldsEntry[] = [];

/**
 * Reads what a client sent; undefined if an entry of it is none, whereupon upstream falls back to the live object's. Whose sets are the
 * live object's very own were looked at when they were stored.
 */
export function readManagers(entries = noEntries, live: readonly ManagedFieldsEntry[] = noEntries): Managers | undefined {
  const managers: Managers = new Map();
  for (const [i, entry] of entries.entries()) {
    const isStored = live.some(({ fieldsV1 }) => fieldsV1 === entry.fieldsV1);
    if (entryProblem(entry, i, isStored) !== undefined) return undefined;
    const { operation, apiVersion = '' } = entry;
    // Just seen to be a set.
    const fields = (entry.fieldsV1 ?? emptySet) as FieldSet;
    const manager: Manager = {
      manager: entry.manager ?? '',
      // Just seen to be one of the two.
      operation: operation as Manager['operation'],
      apiVersion,
      subresource: entry.subresource ?? '',
      time: entry.time,
      fields,
      entry: isStored || isSorted(fields) ? entry : undefined,
    };
    managers.set(managerIdentity(manager), manager);
  }
  return managers;
}

function entryProblem(entry: ManagedFieldsEntry, index: number, isStored = false): string | undefined {
  const { operation, apiVersion, fieldsType, fieldsV1 } = entry;
  if (operation !== 'Apply' && operation !== 'Update') return 'operation must be `Apply` or `Update`';
  if (!apiVersion) return 'apiVersion must not be empty';
  if (!fieldsType) return `missing fieldsType in managed fields entry ${index}`;
  if (fieldsType !== 'FieldsV1') return `invalid fieldsType ${goQuote(fieldsType)} in managed fields entry ${index}`;
  return isStored || isFieldSet(fieldsV1 ?? emptySet) ? undefined : `error decoding versioned set from managed fields entry ${index}`;
}

/** Why entries can't be read as managers; undefined where they can. */
export function managedFieldsProblem(entries: readonly ManagedFieldsEntry[] | undefined): string | undefined {
  for (const [i, entry] of (entries ?? []).entries()) {
    const problem = entryProblem(entry, i);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Whether a client asks for all to be forgotten: by an empty list, or by one empty entry. */
export const isReset = (entries: readonly ManagedFieldsEntry[] | null | undefined): boolean =>
  Array.isArray(entries) && entries.length <= 1 && entries.every((entry) => Object.values(entry).every((value) => !value));

export function writeManager(m: Manager): ManagedFieldsEntry {
  m.entry ??= {
    ...(m.manager ? { manager: m.manager } : {}),
    operation: m.operation,
    ...(m.apiVersion ? { apiVersion: m.apiVersion } : {}),
    ...(m.time ? { time: m.time } : {}),
    fieldsType: 'FieldsV1',
    // A tree is its own JSON form.
    fieldsV1: sorted(m.fields) as Record<string, unknown>,
    ...(m.subresource ? { subresource: m.subresource } : {}),
  };
  return m.entry;
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Upstream's order: appliers first, then by time, name, version, subresource. */
export function writeManagers(managers: Managers): ManagedFieldsEntry[] {
  return [...managers.values()]
    .filter((m) => !isEmptySet(m.fields))
    .sort(
      (a, b) =>
        order(a.operation, b.operation) ||
        order(a.time ?? '', b.time ?? '') ||
        order(a.manager, b.manager) ||
        order(a.apiVersion, b.apiVersion) ||
        order(a.subresource, b.subresource),
    )
    .map(writeManager);
}

/** More updaters than this are merged, the oldest first, into one entry a version. */
const maxUpdateManagers = 10;
const ancientChanges = 'ancient-changes';

/** Keeps the list short, as upstream's cap does: the first of a version is merged with the second, and they with the next. Changes `managers`. */
export function capManagers(managers: Managers): void {
  const updaters = [...managers].filter(([, m]) => m.operation === 'Update');
  if (updaters.length <= maxUpdateManagers) return;
  updaters.sort(([a, m], [b, n]) => order(m.time ?? '', n.time ?? '') || order(a, b));
  let count = updaters.length;
  const oldest = new Map<string, string>();
  for (const [identity, m] of updaters) {
    if (count <= maxUpdateManagers) return;
    const first = oldest.get(m.apiVersion);
    if (first === undefined) {
      oldest.set(m.apiVersion, identity);
      continue;
    }
    const bucket = managerIdentity({ ...m, manager: ancientChanges, subresource: '' });
    if (identity === bucket) continue;
    const before = managers.get(bucket) ?? managers.get(first);
    if (!managers.has(bucket)) managers.delete(first);
    managers.delete(identity);
    const fields = before ? union(before.fields, m.fields) : m.fields;
    managers.set(bucket, { ...m, entry: undefined, manager: ancientChanges, subresource: '', fields });
    count--;
  }
}

/** Whether two objects hold the very same parts, whatever one of their fields is. Asked at every update: it makes no garbage. */
function sameBut(a: object, b: object, except: string): boolean {
  // Both are open to be walked.
  const [was, is] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  let more = 0;
  for (const key in is) {
    if (key !== except && was[key] !== is[key]) return false;
    more++;
  }
  for (const _ in was) more--;
  return more === 0;
}

/**
 * The object as it was where a write would change no more than when its managers have last written; `next` shares with `prev` what did
 * not change. Else it would be written again, and everybody told, for nothing.
 */
export function unlessOnlyTimes<T extends KubeObject>(prev: T, next: T): T {
  const { managedFields: before } = prev.metadata;
  const { managedFields: after } = next.metadata;
  if (!before?.length || before.length !== after?.length) return next;
  if (!sameBut(prev, next, 'metadata') || !sameBut(prev.metadata, next.metadata, 'managedFields')) return next;
  return after.every((entry, i) => sameBut(before[i] ?? {}, entry, 'time')) ? prev : next;
}
