/** Names and lists as resource.k8s.io has them. */
import { reject } from '../core/checks.ts';
import { validateCsiDriverName } from '../core/volume-sources.ts';
import { type FieldErrors, type FieldPath, goQuote } from '../fields.ts';
import { byteLength, isCIdentifier, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts';

const maxPoolNameBytes = 253;
const maxIdBytes = 32;
const uuid = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;
const bareUuid = /^[0-9a-fA-F]{32}$/;

type ItemCheck<T> = (item: T, path: FieldPath) => void;

/** Checks every item of a list; one that is too long is only refused, however much it holds. */
export function validateSlice<T>(
  list: readonly T[] | undefined,
  max: number,
  check: ItemCheck<T>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (list === undefined) return;
  if (list.length > max) {
    errors.tooMany(path, list.length, max);
    return;
  }
  for (const [i, item] of list.entries()) check(item, path.index(i));
}

/** As `validateSlice`, where no two items may have the same key. */
export function validateSet<T>(
  list: readonly T[] | undefined,
  max: number,
  check: ItemCheck<T>,
  keyOf: (item: T) => string,
  path: FieldPath,
  errors: FieldErrors,
  shown: (item: T) => unknown = keyOf,
): void {
  if (list === undefined) return;
  validateSlice(list, max, check, path, errors);
  if (list.length > max) return;
  const seen = new Set<string>();
  for (const [i, item] of list.entries()) {
    const key = keyOf(item);
    if (seen.has(key)) errors.duplicate(path.index(i), shown(item));
    seen.add(key);
  }
}

export const same = (text: string): string => text;

export const validateDriverName = validateCsiDriverName;

export function validatePoolName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (name === '') {
    errors.required(path);
    return;
  }
  if (byteLength(name) > maxPoolNameBytes) errors.tooLong(path, maxPoolNameBytes);
  for (const part of name.split('/')) reject(errors, path, part, isDns1123Subdomain(part));
}

/** Names of devices, requests, counters. */
export const validateShortName = (name: string, path: FieldPath, errors: FieldErrors): void =>
  reject(errors, path, name, isDns1123Label(name));

export function validateRequiredShortName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (name === '') errors.required(path);
  else validateShortName(name, path, errors);
}

export function validateClassName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (name === '') errors.required(path);
  else reject(errors, path, name, isDns1123Subdomain(name));
}

function validateId(id: string, path: FieldPath, errors: FieldErrors): void {
  if (byteLength(id) > maxIdBytes) errors.tooLong(path, maxIdBytes);
  reject(errors, path, id, isCIdentifier(id));
}

/** `memory` or `gpu.example.com/memory`: of a device's attributes and capacities. */
export function validateQualifiedName(name: string, path: FieldPath, errors: FieldErrors): void {
  const [first = '', second, ...more] = name.split('/');
  if (more.length > 0) return;
  if (second === undefined) {
    validateId(first, path, errors);
    return;
  }
  if (first === '') errors.invalid(path, '', 'the domain must not be empty');
  else validateDriverName(first, path, errors);
  if (second === '') errors.invalid(path, '', 'the name must not be empty');
  else validateId(second, path, errors);
}

export function validateFullyQualifiedName(name: string, path: FieldPath, errors: FieldErrors): void {
  validateQualifiedName(name, path, errors);
  if (!name.includes('/')) errors.invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash');
}

/** What is wrong with an identifier in any of the forms that Go's reader knows. */
function uuidProblem(text: string): string | undefined {
  switch (text.length) {
    case 32:
      return bareUuid.test(text) ? undefined : 'invalid UUID format';
    case 36:
      return uuid.test(text) ? undefined : 'invalid UUID format';
    case 38:
      if (!text.startsWith('{') || !text.endsWith('}')) return 'invalid bracketed UUID format';
      return uuidProblem(text.slice(1, -1));
    case 45:
      if (!/^urn:uuid:/i.test(text)) return `invalid urn prefix: ${goQuote(text.slice(0, 9))}`;
      return uuidProblem(text.slice(9));
    default:
      return `invalid UUID length: ${text.length}`;
  }
}

export function validateUid(uid: string, path: FieldPath, errors: FieldErrors): void {
  const problem = uuidProblem(uid);
  if (problem) errors.invalid(path, uid, `error validating uid: ${problem}`);
  else if (!uuid.test(uid) || uid !== uid.toLowerCase())
    errors.invalid(
      path,
      uid,
      'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters',
    );
}

export const validateLabelKey = (key: string, path: FieldPath, errors: FieldErrors): void =>
  reject(errors, path, key, isQualifiedName(key));
export const validateLabelText = (value: string, path: FieldPath, errors: FieldErrors): void =>
  reject(errors, path, value, isLabelValue(value));

/** A driver's own data: a JSON object of limited size. `stored`: it was accepted before the limit was. */
export function validateRaw(value: unknown, maxBytes: number, stored: boolean, path: FieldPath, errors: FieldErrors): void {
  if (value === undefined || value === null) errors.required(path);
  else if (!stored && byteLength(JSON.stringify(value)) > maxBytes) errors.tooLong(path, maxBytes);
  else if (typeof value !== 'object' || Array.isArray(value)) errors.invalid(path, '<value omitted>', 'must be a valid JSON object');
}
