/** The managers of an object's fields, between their stored form (`metadata.managedFields`) and sets. */
import { goQuote } from '../fields.ts';
import type { ManagedFieldsEntry } from '../generated/meta.v1.ts';
import { emptySet, type FieldSet, isEmptySet, isFieldSet, sorted, union } from './field-set.ts';

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
  return JSON.stringify([m.manager, m.operation, m.operation === 'Apply' ? '' : m.apiVersion, m.subresource]);
}

/** Reads stored entries; undefined if one of them is none, whereupon upstream falls back to the live object's. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
  const managers: Managers = new Map();
  for (const entry of entries ?? []) {
    const { operation } = entry;
    if ((operation !== 'Apply' && operation !== 'Update') || (entry.fieldsType && entry.fieldsType !== 'FieldsV1')) return undefined;
    const fields: unknown = entry.fieldsV1 ?? emptySet;
    if (!isFieldSet(fields)) return undefined;
    const manager: Manager = {
      manager: entry.manager ?? '',
      operation,
      apiVersion: entry.apiVersion ?? '',
      subresource: entry.subresource ?? '',
      time: entry.time,
      fields,
      entry,
    };
    managers.set(managerIdentity(manager), manager);
  }
  return managers;
}

/** Why entries can't be read as managers; undefined where they can. */
export function managedFieldsProblem(entries: readonly ManagedFieldsEntry[] | undefined): string | undefined {
  for (const [i, { fieldsType, fieldsV1 }] of (entries ?? []).entries()) {
    if (!fieldsType) return `missing fieldsType in managed fields entry ${i}`;
    if (fieldsType !== 'FieldsV1') return `invalid fieldsType ${goQuote(fieldsType)} in managed fields entry ${i}`;
    if (!isFieldSet(fieldsV1 ?? emptySet)) return `error decoding versioned set from managed fields entry ${i}`;
  }
  return undefined;
}

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
        (a.time && b.time ? order(a.time, b.time) : 0) ||
        order(a.manager, b.manager) ||
        order(a.apiVersion, b.apiVersion) ||
        order(a.subresource, b.subresource),
    )
    .map(writeManager);
}

/** More updaters than this are merged, the oldest first, into one entry a version. */
const maxUpdateManagers = 10;
const ancientChanges = 'ancient-changes';

/** Keeps the list short, as upstream's cap does. Changes `managers`. */
export function capManagers(managers: Managers): void {
  if (managers.size <= maxUpdateManagers) return;
  const updaters = [...managers].filter(([, m]) => m.operation === 'Update').sort(([, a], [, b]) => order(a.time ?? '', b.time ?? ''));
  let count = updaters.length;
  const buckets = new Map(updaters.filter(([, m]) => m.manager === ancientChanges).map(([, m]) => [m.apiVersion, m]));
  for (const [identity, m] of updaters) {
    if (count <= maxUpdateManagers) return;
    if (m.manager === ancientChanges) continue;
    const bucket = buckets.get(m.apiVersion);
    const merged: Manager = {
      ...m,
      entry: undefined,
      manager: ancientChanges,
      subresource: '',
      fields: bucket ? union(bucket.fields, m.fields) : m.fields,
    };
    managers.delete(identity);
    managers.set(managerIdentity(merged), merged);
    buckets.set(m.apiVersion, merged);
    if (bucket) count--;
  }
}
