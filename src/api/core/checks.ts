/** The checks that most validation is made of. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import { isDns1123Label, isDns1123Subdomain, isPortName, isPortNumber, isQualifiedName } from '../names.ts';

export const notNegative = 'must be greater than or equal to 0';
export const notPositive = 'must be greater than zero';

/** Reports every message of a name rule. */
export function reject(errors: FieldErrors, path: FieldPath, value: unknown, messages: readonly string[]): void {
  for (const message of messages) errors.invalid(path, value, message);
}

/** As `reject`, of values that objects may have from before they were refused, and keep. */
export function rejectNew(errors: FieldErrors, path: FieldPath, value: unknown, messages: readonly string[]): void {
  if (messages.length > 0) errors.ratcheting(() => reject(errors, path, value, messages));
}

/** A string that must be there. */
export function require(errors: FieldErrors, path: FieldPath, value: string | undefined, detail = ''): value is string {
  if (value) return true;
  errors.required(path, detail);
  return false;
}

/** A value that must be there and one of these. */
export function requireOneOf(errors: FieldErrors, path: FieldPath, value: string | undefined, supported: readonly string[]): void {
  if (!value) errors.required(path);
  else if (!supported.includes(value)) errors.notSupported(path, value, supported);
}

/** A value that, where it is there, must be one of these. */
export function allowOneOf(errors: FieldErrors, path: FieldPath, value: string | undefined, supported: readonly string[]): void {
  if (value !== undefined && !supported.includes(value)) errors.notSupported(path, value, supported);
}

export function requireNonNegative(errors: FieldErrors, path: FieldPath, value: number | undefined): void {
  if (value !== undefined && value < 0) errors.invalid(path, value, notNegative);
}

export function requireDnsLabel(errors: FieldErrors, path: FieldPath, value: string): void {
  reject(errors, path, value, isDns1123Label(value));
}

export function requireQualifiedName(errors: FieldErrors, path: FieldPath, value: string): void {
  reject(errors, path, value, isQualifiedName(value));
}

/** A port by number or by a container port's name. */
export function requirePort(errors: FieldErrors, path: FieldPath, port: number | string | undefined): void {
  if (typeof port === 'string') reject(errors, path, port, isPortName(port));
  else reject(errors, path, port ?? 0, isPortNumber(port ?? 0));
}

export const protocols = ['SCTP', 'TCP', 'UDP'];

/** `acme.io/foo`: a domain, and what of a URL's path its owner says. */
export function requireDomainPrefixedPath(errors: FieldErrors, path: FieldPath, value: string): void {
  if (value === '') {
    errors.required(path);
    return;
  }
  const slash = value.indexOf('/');
  const domain = value.slice(0, Math.max(0, slash));
  const rest = value.slice(slash + 1);
  if (domain === '' || rest === '') {
    errors.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")');
    return;
  }
  reject(errors, path, domain, isDns1123Subdomain(domain));
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest))
    errors.invalid(path, rest, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
}
