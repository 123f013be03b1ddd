/** Names of those who sign certificates. */
import { type FieldErrors, type FieldPath, goQuote } from '../fields.ts';
import { isDns1123Label, isDns1123Subdomain } from '../names.ts';

const maxDomain = 253;
/** A domain, `/`, and a path of a label, `.` and a subdomain. */
const maxSignerName = maxDomain + 1 + 63 + 1 + 253;

/** Only of the first part that is wrong: what is said of others would read the same. */
function rejectPart(parts: string, rule: (part: string) => string[], path: FieldPath, errors: FieldErrors): void {
  for (const part of parts.split('.')) {
    const messages = rule(part);
    for (const message of messages) errors.invalid(path, parts, `validating label ${goQuote(part)}: ${message}`);
    if (messages.length > 0) return;
  }
}

/** `example.com/name`, with a host name of at least two labels. */
export function validateSignerName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (name === '') {
    errors.required(path);
    return;
  }
  const [domain = '', rest, ...more] = name.split('/');
  if (rest === undefined || more.length > 0) {
    errors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  if (domain.length > maxDomain) errors.tooLong(path, maxDomain);
  rejectPart(domain, isDns1123Label, path, errors);
  if (!domain.includes('.')) errors.invalid(path, domain, 'should be a domain with at least two segments separated by dots');
  rejectPart(rest, isDns1123Subdomain, path, errors);
  if (name.length > maxSignerName) errors.tooLong(path, maxSignerName);
}
