import { X509Certificate } from 'node:crypto';
import type { Authenticator, Credentials } from '../request.ts';

type SignedBy = (certificate: NonNullable<Credentials['certificate']>) => boolean;

/** Whether one of the authorities (PEM bundle) signed a certificate; remembered by the certificate's object, one a connection. */
function signedByOneOf(bundle: string): SignedBy {
  const authorities = (bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  const known = new WeakMap<object, boolean>();
  return (certificate) => {
    const raw = certificate.raw;
    if (raw === undefined) return false;
    let answer = known.get(raw);
    if (answer === undefined) {
      const x509 = new X509Certificate(raw);
      answer = authorities.some((authority) => x509.issuer === authority.subject && x509.verify(authority.publicKey));
      known.set(raw, answer);
    }
    return answer;
  };
}

/** Client certificates: CN is the user, every O a group. */
export function clientCertificates(options: { clientCa?: string } = {}): Authenticator {
  const signed = options.clientCa === undefined ? undefined : signedByOneOf(options.clientCa);
  return {
    authenticate({ certificate }) {
      if (certificate?.problem !== undefined) return Promise.reject(new Error(`x509: ${certificate.problem}`));
      if (certificate === undefined || certificate.commonName === '') return Promise.resolve(undefined);
      if (certificate.raw !== undefined && signed !== undefined && !signed(certificate)) return Promise.resolve(undefined);
      return Promise.resolve({ name: certificate.commonName, groups: certificate.organizations });
    },
  };
}

export interface RequestHeaderOptions {
  /** --requestheader-client-ca-file, PEM. */
  clientCa: string;
  /** --requestheader-allowed-names; empty: any. */
  allowedNames?: readonly string[];
  usernameHeaders?: readonly string[];
  groupHeaders?: readonly string[];
  extraHeaderPrefixes?: readonly string[];
  /** Every value of a header, where the transport keeps them apart. */
  headerValues?(credentials: Credentials, name: string): readonly string[];
}

/** A proxy in front says who the user is: X-Remote-User, X-Remote-Group, believed because of its client certificate. */
export function requestHeaders(options: RequestHeaderOptions): Authenticator {
  const signed = signedByOneOf(options.clientCa);
  const { allowedNames = [], usernameHeaders = ['x-remote-user'], groupHeaders = ['x-remote-group'] } = options;
  const values =
    options.headerValues ??
    ((c: Credentials, name: string) =>
      (c.header(name) ?? '')
        .split(',')
        .map((v) => v.trim())
        .filter((v) => v !== ''));
  return {
    authenticate(credentials) {
      const { certificate } = credentials;
      if (certificate === undefined || certificate.problem !== undefined || !signed(certificate)) return Promise.resolve(undefined);
      if (allowedNames.length > 0 && !allowedNames.includes(certificate.commonName)) return Promise.resolve(undefined);
      const name = usernameHeaders.map((h) => credentials.header(h)).find((v) => v !== undefined && v !== '');
      if (name === undefined) return Promise.resolve(undefined);
      return Promise.resolve({ name, groups: groupHeaders.flatMap((h) => values(credentials, h)) });
    },
  };
}
