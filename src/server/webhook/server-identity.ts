/** Whether a server's certificate is for the name that it was called by, as Go's crypto/x509 decides and words it. */
import { isIP } from 'node:net';
import { type PeerCertificate, checkServerIdentity as usual } from 'node:tls';

/** Of a certificate with more names than these they are only counted. */
const mostNames = 100;

const invalid = (why: string) => Object.assign(new Error(why), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });

const namesOf = (certificate: PeerCertificate, kind: 'DNS' | 'IP Address') =>
  (certificate.subjectaltname ?? '').split(', ').flatMap((name) => (name.startsWith(`${kind}:`) ? [name.slice(kind.length + 1)] : []));

/**
 * For TLS connections' `checkServerIdentity`. The common name, which Node takes where a certificate has no other, counts for
 * nothing; `missingSan` is told of certificates that rely on it.
 */
export function serverIdentity(missingSan?: () => void): (host: string, certificate: PeerCertificate) => Error | undefined {
  return (host, certificate) => {
    const matches = usual(host, certificate) === undefined;
    if (certificate.subjectaltname === undefined && matches) {
      missingSan?.();
      return invalid('certificate relies on legacy Common Name field, use SANs instead');
    }
    if (matches) return undefined;
    const isAddress = isIP(host) !== 0;
    const names = namesOf(certificate, isAddress ? 'IP Address' : 'DNS');
    if (names.length === 0)
      return invalid(
        isAddress
          ? `cannot validate certificate for ${host} because it doesn't contain any IP SANs`
          : `certificate is not valid for any names, but wanted to match ${host}`,
      );
    return invalid(
      names.length < mostNames
        ? `certificate is valid for ${names.join(', ')}, not ${host}`
        : `certificate is valid for ${names.length} ${isAddress ? 'IP SANs' : 'names'}, but none matched ${host}`,
    );
  };
}
