import { reject } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import { byteLength, isQualifiedName } from '../names.ts';

const maxParameters = 512;
const maxBytes = 256 * 1024;

/** Who provides volumes of a class. */
export function validateProvisioner(name: string | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(path);
  else reject(errors, path, name.toLowerCase(), isQualifiedName(name.toLowerCase()));
}

/** A driver's parameters: at most 512, of 256 KiB together. */
export function validateParameters(
  parameters: Readonly<Record<string, string>> | undefined,
  allowEmpty: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > maxParameters) {
    errors.tooLong(path, maxParameters);
    return;
  }
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') errors.invalid(path, key, 'field can not be empty.');
    bytes += byteLength(key) + byteLength(value);
  }
  if (bytes > maxBytes) errors.tooLong(path, maxBytes);
  if (!allowEmpty && entries.length === 0) errors.required(path, 'must contain at least one key/value pair');
}
