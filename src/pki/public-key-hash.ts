import { createHash, createPublicKey } from 'node:crypto';

/** `sha256:HEX` over a certificate's public key (SPKI DER, RFC 7469): what `--discovery-token-ca-cert-hash` pins. */
export function publicKeyHash(certificatePem: string): string {
  const spki = createPublicKey(certificatePem).export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}
