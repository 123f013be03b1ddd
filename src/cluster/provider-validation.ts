/** What --oidc-* and --authentication-config have in common. */
import { type FieldErrors, type FieldPath, parseUrl, UrlError } from '../api/index.ts';
import { certificatesIn, messageOf } from './pem-files.ts';

/** Checks where a provider of tokens is to be found. `disallowed`: issuers that it must not be, since they are this server's own. */
export function validateIssuerUrl(url: string, at: FieldPath, errors: FieldErrors, disallowed: readonly string[] = []): void {
  if (disallowed.includes(url))
    errors.invalid(at, url, `URL must not overlap with disallowed issuers: [${[...disallowed].sort().join(' ')}]`);
  const [before = '', ...fragment] = url.split('#');
  try {
    const { scheme, user, query } = parseUrl(before);
    if (scheme !== 'https') errors.invalid(at, url, 'URL scheme must be https');
    if (user !== undefined) errors.invalid(at, url, 'URL must not contain a username or password');
    if (query !== '') errors.invalid(at, url, 'URL must not contain a query');
    if (fragment.join('#') !== '') errors.invalid(at, url, 'URL must not contain a fragment');
  } catch (error) {
    if (!(error instanceof UrlError)) throw error;
    errors.invalid(at, url, error.message);
  }
}

/** Checks the authorities of a provider: at least one certificate, PEM. */
export function validateAuthority(pem: string, at: FieldPath, errors: FieldErrors): void {
  try {
    certificatesIn(pem);
  } catch (error) {
    errors.invalid(at, '<omitted>', messageOf(error));
  }
}
