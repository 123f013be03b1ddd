/** What Go's crypto/tls says of a certificate and a key that are none. Whether they belong together is not looked at. */
import { parseCertificate, pemBlocks } from '../certificates/x509.ts';

const isKey = (type: string) => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY');

/** Why PEM text has none of the blocks that are looked for. */
function missing(what: 'certificate' | 'key', types: readonly string[]): string {
  const [only, ...others] = types;
  if (only === undefined) return `tls: failed to find any PEM data in ${what} input`;
  if (what === 'certificate')
    return others.length === 0 && only.endsWith('PRIVATE KEY')
      ? 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
      : `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
  return others.length === 0 && only === 'CERTIFICATE'
    ? 'tls: found a certificate rather than a key in the PEM for the private key'
    : `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

export function keyPairWarnings(certificate: string, key: string): string[] {
  const certificates = pemBlocks(certificate);
  const [leaf] = certificates.filter(({ type }) => type === 'CERTIFICATE');
  const typesOf = (blocks: readonly { type: string }[]) => blocks.map(({ type }) => type);
  if (!leaf) return [missing('certificate', typesOf(certificates))];
  const keys = pemBlocks(key);
  if (!keys.some(({ type }) => isKey(type))) return [missing('key', typesOf(keys))];
  return parseCertificate(leaf.bytes) ? [] : ['x509: malformed certificate'];
}
