/**
 * Private keys as PEM (PKCS #8). New keys are ECDSA P-256: every TLS client and JWT library takes them, and making one costs a
 * fraction of a millisecond where RSA 2048 costs 40 to 200. Keys that are given (kubeadm's RSA ones) work all the same.
 */
import { createPrivateKey, createPublicKey, generateKeyPair as generate, type KeyObject, type webcrypto } from 'node:crypto';
import { promisify } from 'node:util';

/** Both halves in PEM: PKCS #8 and SPKI. */
export interface KeyPair {
  privateKey: string;
  publicKey: string;
}

const generateAsync = promisify(generate);

export async function generateKeyPair(): Promise<KeyPair> {
  const { privateKey, publicKey } = await generateAsync('ec', { namedCurve: 'P-256' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
}

/** The public half (SPKI PEM) of a private key, certificate or public key in PEM. */
export function publicKeyPem(pem: string): string {
  return createPublicKey(pem).export({ type: 'spki', format: 'pem' }) as string;
}

export type SigningAlgorithm = { name: 'ECDSA'; namedCurve: string; hash: string } | { name: 'RSASSA-PKCS1-v1_5'; hash: string };

const curves: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

/** How a key of this type signs certificates. */
export function signingAlgorithmOf(key: KeyObject): SigningAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (key.asymmetricKeyType !== 'ec' || curve === undefined) throw new Error(`unsupported key type ${key.asymmetricKeyType}`);
  return { name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' };
}

/** A PEM private key as Web Crypto wants it, with its public half. */
export function toCryptoKeys(privateKeyPem: string): {
  privateKey: webcrypto.CryptoKey;
  publicKey: webcrypto.CryptoKey;
  algorithm: SigningAlgorithm;
} {
  const key = createPrivateKey(privateKeyPem);
  const algorithm = signingAlgorithmOf(key);
  return {
    privateKey: key.toCryptoKey(algorithm, true, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(algorithm, true, ['verify']),
    algorithm,
  };
}
