/** What differs between two states of an object, field by field. */
import { isJsonObject, type JsonObject } from '../api/index.ts';

export interface FieldChange {
  /** `spec.replicas`, `spec.containers[web].image`, `metadata.labels["app.kubernetes.io/name"]`. */
  path: string;
  /** undefined: was not there. */
  before: unknown;
  /** undefined: is no longer there. */
  after: unknown;
}

const below = (path: string, key: string) => {
  if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
};

/** Fields that name an element of a list, most telling first. */
const elementNames = ['name', 'type', 'key', 'ip', 'containerPort', 'port', 'uid'];

/** The field that tells the elements of both lists apart; undefined where none does. */
function nameField(before: readonly unknown[], after: readonly unknown[]): string | undefined {
  return elementNames.find((field) =>
    [before, after].every((list) => {
      const names = list.map((element) => (isJsonObject(element) ? element[field] : undefined));
      return names.every((name) => name !== undefined) && new Set(names).size === names.length;
    }),
  );
}

export function diff(before: unknown, after: unknown, path = ''): FieldChange[] {
  if (isJsonObject(before) && isJsonObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => diff(before[key], after[key], below(path, key)));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const field = nameField(before, after);
    if (field !== undefined) {
      const byName = (list: readonly unknown[]) => new Map(list.map((element) => [String((element as JsonObject)[field]), element]));
      const [was, is] = [byName(before), byName(after)];
      return [...new Set([...was.keys(), ...is.keys()])].flatMap((name) => diff(was.get(name), is.get(name), `${path}[${name}]`));
    }
    if (before.length === after.length) return before.flatMap((element, i) => diff(element, after[i], `${path}[${i}]`));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
}
