/** Names of those who sign certificates. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import { isDns1123Subdomain } from '../names.ts';
import { reject } from './checks.ts';

/** The limit of a path's part of a signer name: a namespace and a name. */
const maxSignerPath = 253 + 1 + 253;

/** `example.com/name`, with a host name of at least two labels. */
export function validateSignerName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (name === '') {
    errors.required(path);
    return;
  }
  const at = name.indexOf('/');
  const [domain, rest] = at < 0 ? [name, ''] : [name.slice(0, at), name.slice(at + 1)];
  if (at < 0 || domain === '' || rest === '') {
    errors.invalid(path, name, 'must be a fully qualified domain and path of the form "example.com/signer-name"');
    return;
  }
  if (domain.split('.').length < 2) errors.invalid(path, domain, 'should be a domain with at least two segments separated by dots');
  reject(errors, path, domain, isDns1123Subdomain(domain));
  for (const part of rest.split('.')) reject(errors, path, part, isDns1123Subdomain(part));
  if (rest.length > maxSignerPath) errors.tooLong(path, maxSignerPath);
}
