/** Keys that say by a domain who means something by them: `example.org/tenant` (apimachinery's IsDomainPrefixedPath). */
import type { FieldErrors, FieldPath } from './fields.ts';
import { isDns1123Subdomain } from './names.ts';

const pathCharacters = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const path = new RegExp(`^${pathCharacters}$`);

/** Notes what is wrong with a key. */
export function validateDomainPrefixedPath(key: string, at: FieldPath, errors: FieldErrors): void {
  if (key === '') {
    errors.required(at);
    return;
  }
  const slash = key.indexOf('/');
  const [domain, rest] = [key.slice(0, Math.max(slash, 0)), key.slice(slash + 1)];
  if (domain === '' || rest === '') {
    errors.invalid(at, key, 'must be a domain-prefixed path (such as "acme.io/foo")');
    return;
  }
  for (const message of isDns1123Subdomain(domain)) errors.invalid(at, domain, message);
  if (!path.test(rest)) errors.invalid(at, rest, `Invalid path (regex used for validation is '${pathCharacters}')`);
}
