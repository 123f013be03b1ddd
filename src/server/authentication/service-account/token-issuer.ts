import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { ServiceAccountClaims } from './claims.ts';

/** Signs service-account tokens. */
export interface TokenIssuer {
  readonly issuer: string;
  sign(claims: Omit<ServiceAccountClaims, 'iss'>): Promise<string>;
}

/** The key's id in JWTs and in the key set: upstream's hash over the public key. */
export function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

export function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  const algorithm = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (algorithm === undefined) throw new Error(`unknown service account key type ${key.asymmetricKeyType}: must be RSA or ECDSA`);
  return algorithm;
}

/** `key`: --service-account-signing-key-file, PEM. */
export function createTokenIssuer(options: { issuer: string; key: string }): TokenIssuer {
  const key = createPrivateKey(options.key);
  const header = { alg: algorithmOf(key), kid: keyIdOf(createPublicKey(key)) };
  return {
    issuer: options.issuer,
    sign: (claims) => new SignJWT({ ...claims, iss: options.issuer }).setProtectedHeader(header).sign(key),
  };
}
