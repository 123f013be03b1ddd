import { hash, X509Certificate } from 'node:crypto';
import { fromHeader, valuesByKey } from '../http/header-text.ts';
import type { Authenticator, Credentials, UserInfo } from '../request.ts';

type SignedBy = (certificate: NonNullable<Credentials['certificate']>) => boolean;

const hasSigned = (authority: X509Certificate, certificate: X509Certificate) =>
  certificate.issuer === authority.subject && certificate.verify(authority.publicKey);

/**
 * Whether one of the authorities (PEM bundle) signed a certificate, or who signed it; remembered by the certificate's object, one a
 * connection. That those in between are still good was seen when the connection was made.
 */
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
      answer = leadsTo(authorities, raw, certificate.issuers ?? []);
      known.set(raw, answer);
    }
    return answer;
  };
}

function leadsTo(authorities: readonly X509Certificate[], leaf: Uint8Array, issuers: readonly Uint8Array[]): boolean {
  let certificate = new X509Certificate(leaf);
  for (const raw of [...issuers, undefined]) {
    if (authorities.some((authority) => hasSigned(authority, certificate))) return true;
    if (raw === undefined) break;
    const issuer = new X509Certificate(raw);
    if (!issuer.ca || !hasSigned(issuer, certificate)) break;
    certificate = issuer;
  }
  return false;
}

/** Which certificate it was, for audit logs and whoever is told of the user; one that comes without its bytes has no name. */
const credentialId = ({ raw }: { raw?: Uint8Array }): Pick<UserInfo, 'extra'> =>
  raw === undefined ? {} : { extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${hash('sha256', raw, 'hex')}`] } };

/** Client certificates: CN is the user, every O a group; they may tell a UID. */
export function clientCertificates(options: { clientCa?: string } = {}): Authenticator {
  const signed = options.clientCa === undefined ? undefined : signedByOneOf(options.clientCa);
  const users = new WeakMap<object, UserInfo>();
  return {
    authenticate({ certificate }) {
      if (certificate === undefined) return undefined;
      if (certificate.problem !== undefined) throw new Error(`x509: ${certificate.problem}`);
      if (certificate.raw !== undefined && signed !== undefined && !signed(certificate))
        throw new Error('x509: certificate signed by unknown authority');
      if (certificate.commonName === '') return undefined;
      let user = users.get(certificate);
      if (user === undefined) {
        const { commonName: name, organizations: groups, uid } = certificate;
        user = { name, ...(uid === undefined ? {} : { uid }), groups, ...credentialId(certificate) };
        users.set(certificate, user);
      }
      return user;
    },
  };
}

export interface RequestHeaderOptions {
  /** --requestheader-client-ca-file, PEM. */
  clientCa: string;
  /** --requestheader-allowed-names; empty: any. */
  allowedNames?: readonly string[];
  /** --requestheader-username-headers; default X-Remote-User. */
  usernameHeaders?: readonly string[];
  /** --requestheader-uid-headers; default X-Remote-Uid. */
  uidHeaders?: readonly string[];
  /** --requestheader-group-headers; default X-Remote-Group. */
  groupHeaders?: readonly string[];
  /** --requestheader-extra-headers-prefix; default X-Remote-Extra-. */
  extraHeaderPrefixes?: readonly string[];
}

/** Extra keys are percent-encoded as far as header names can't hold them, and say nothing by their case. */
function extraKey(encoded: string): string {
  const key = encoded.toLowerCase();
  try {
    return decodeURIComponent(key);
  } catch {
    return key; // not an encoding: it is what was sent
  }
}

/**
 * A proxy in front says who the user is (X-Remote-User, X-Remote-Group, X-Remote-Uid, X-Remote-Extra-KEY), believed because of its
 * client certificate.
 */
export function requestHeaders(options: RequestHeaderOptions): Authenticator {
  const signed = signedByOneOf(options.clientCa);
  const { allowedNames = [] } = options;
  const lower = (given: readonly string[] | undefined, otherwise: string) => (given ?? [otherwise]).map((name) => name.toLowerCase());
  const usernameHeaders = lower(options.usernameHeaders, 'x-remote-user');
  const uidHeaders = lower(options.uidHeaders, 'x-remote-uid');
  const groupHeaders = lower(options.groupHeaders, 'x-remote-group');
  const extraPrefixes = lower(options.extraHeaderPrefixes, 'x-remote-extra-');
  return {
    authenticate(credentials) {
      const { certificate, headers = [] } = credentials;
      if (certificate === undefined || certificate.problem !== undefined) return undefined;
      const isAllowed = allowedNames.length === 0 || allowedNames.includes(certificate.commonName);
      if (!isAllowed || !signed(certificate)) {
        // A certificate with a name is for the client CA to judge; one without is nobody's, and nobody with a certificate is a stranger.
        if (certificate.commonName === '') throw new Error('x509: certificate signed by unknown authority');
        return undefined;
      }
      const first = (names: readonly string[]) => names.map((h) => credentials.header(h)).find((v) => v !== undefined && v !== '');
      const name = first(usernameHeaders);
      if (name === undefined) return undefined;
      const uid = first(uidHeaders);
      const groups = groupHeaders.flatMap((h) =>
        headers.filter(([key, value]) => key === h && value !== '').map(([, value]) => fromHeader(value)),
      );
      const extra = valuesByKey(
        headers.flatMap(([header, value]) => {
          const prefix = extraPrefixes.find((p) => header.startsWith(p));
          return prefix === undefined ? [] : [[extraKey(header.slice(prefix.length)), fromHeader(value)] as const];
        }),
      );
      return { name: fromHeader(name), groups, ...(uid === undefined ? {} : { uid }), ...(Object.keys(extra).length > 0 ? { extra } : {}) };
    },
  };
}
