import { hash, X509Certificate } from 'node:crypto';
import { fromHeader, valuesByKey } from '../http/header-text.ts';
import type { Authenticator, Credentials, UserInfo } from '../request.ts';

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
      if (certificate.commonName === '') return undefined;
      if (certificate.raw !== undefined && signed !== undefined && !signed(certificate)) return undefined;
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
      if (certificate === undefined || certificate.problem !== undefined || !signed(certificate)) return undefined;
      if (allowedNames.length > 0 && !allowedNames.includes(certificate.commonName)) return undefined;
      const first = (names: readonly string[]) => names.map((h) => credentials.header(h)).find((v) => v !== undefined && v !== '');
      const name = first(usernameHeaders);
      if (name === undefined) return undefined;
      const uid = first(uidHeaders);
      const groups = groupHeaders.flatMap((h) => headers.filter(([key]) => key === h).map(([, value]) => fromHeader(value)));
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
