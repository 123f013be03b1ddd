import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { ConfigMap } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { byteLength, isConfigMapKey } from '../names.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { reject } from './checks.ts';

/** The most that the values of a ConfigMap or a Secret may hold together, in bytes. */
export const maxDataBytes = 1024 * 1024;

/** The length of what base64 text stands for. */
export function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.max(0, Math.floor((base64.length * 3) / 4) - padding);
}

/** Data that says it is immutable is. */
export function validateDataUpdate<T extends { immutable?: boolean }>(
  next: T,
  prev: T,
  fields: readonly (keyof T & string)[],
  errors: FieldErrors,
): void {
  if (!prev.immutable) return;
  const detail = 'field is immutable when `immutable` is set';
  if (!next.immutable) errors.forbidden(new FieldPath('immutable'), detail);
  for (const field of fields) if (!semanticEqual(next[field], prev[field])) errors.forbidden(new FieldPath(field), detail);
}

export const configMap = defineKind<ConfigMap>({
  resource: ConfigMap,
  shortNames: ['cm'],
  storagePrefix: 'configmaps',
  validate({ binaryData = {}, data = {} }, errors) {
    let bytes = 0;
    for (const [key, value] of Object.entries(data)) {
      const path = new FieldPath('data').key(key);
      reject(errors, path, key, isConfigMapKey(key));
      if (Object.hasOwn(binaryData, key)) errors.invalid(path, key, 'duplicate of key present in binaryData');
      bytes += byteLength(value);
    }
    for (const [key, value] of Object.entries(binaryData)) {
      reject(errors, new FieldPath('binaryData').key(key), key, isConfigMapKey(key));
      bytes += decodedLength(value);
    }
    // How upstream prints the path of the object itself.
    if (bytes > maxDataBytes) errors.tooLong(new FieldPath('[]'), maxDataBytes);
  },
  validateFirst(next, prev, errors) {
    if (prev) validateDataUpdate(next, prev, ['data', 'binaryData'], errors);
  },
  columns: [
    nameColumn,
    {
      name: 'Data',
      description: fieldDoc('core.v1.ConfigMap.data'),
      value: ({ binaryData = {}, data = {} }) => Object.keys(data).length + Object.keys(binaryData).length,
    },
    ageColumn,
  ],
});
