/** AES as Kubernetes stores it: GCM with a random nonce before and the tag after, CBC with its IV before and PKCS#7 padding. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import type { Transformer } from './transformer.ts';

const nonceBytes = 12;
const tagBytes = 16;
const blockBytes = 16;
/** Of the information that goes into the derivation of a key, of derived keys, and least of seeds. */
export const derivedBytes = 32;

const tooShort = 'the stored data was shorter than the required size';

function gcmSeal(key: Buffer, plain: Buffer, authenticated: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(`aes-${(key.length * 8) as 128 | 192 | 256}-gcm`, key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(authenticated));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function gcmOpen(key: Buffer, sealed: Buffer, authenticated: string): Buffer {
  if (sealed.length < nonceBytes) throw new Error(tooShort);
  // Go's words; a tag that is cut off is a tag that does not fit.
  const refused = (cause?: unknown) => new Error('cipher: message authentication failed', { cause });
  if (sealed.length < nonceBytes + tagBytes) throw refused();
  const tagAt = sealed.length - tagBytes;
  const name = `aes-${(key.length * 8) as 128 | 192 | 256}-gcm` as const;
  const decipher = createDecipheriv(name, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(authenticated));
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(nonceBytes, tagAt));
  try {
    decipher.final();
  } catch (error) {
    throw refused(error);
  }
  return plain;
}

/** Bound to the value's place in the store. With random nonces a key is good for 2^32 writes. */
export function aesGcm(key: Buffer): Transformer {
  const transformer: Transformer = {
    seal: (plain, place) => gcmSeal(key, plain, place),
    open: (sealed, place) => ({ plain: gcmOpen(key, sealed, place), isStale: false }),
    writer: () => transformer,
  };
  return transformer;
}

/** Without authentication, as upstream has kept it for the sake of what lies in stores. */
export function aesCbc(key: Buffer): Transformer {
  const name = `aes-${key.length * 8}-cbc`;
  const transformer: Transformer = {
    seal(plain) {
      const iv = randomBytes(blockBytes);
      // Node's padding is PKCS#7.
      const cipher = createCipheriv(name, key, iv);
      return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    },
    open(sealed) {
      if (sealed.length < blockBytes) throw new Error(tooShort);
      if (sealed.length % blockBytes !== 0) throw new Error('the stored data is not a multiple of the block size');
      const decipher = createDecipheriv(name, key, sealed.subarray(0, blockBytes)).setAutoPadding(false);
      const padded = Buffer.concat([decipher.update(sealed.subarray(blockBytes)), decipher.final()]);
      const padding = padded.at(-1) ?? 0;
      if (padding === 0 || padding > padded.length) throw new Error('invalid PKCS7 data (empty or not padded)');
      const end = padded.length - padding;
      if (!padded.subarray(end).every((byte) => byte === padding)) throw new Error('invalid padding on input');
      return { plain: padded.subarray(0, end), isStale: false };
    },
    writer: () => transformer,
  };
  return transformer;
}

/** HKDF-Expand (RFC 5869) with SHA-256 for one block, of a seed that is random already. */
const expand = (seed: Buffer, info: Buffer) => createHmac('sha256', seed).update(info).update(Buffer.of(1)).digest();

/** A key of its own for every write, derived from the seed and 32 random bytes that come first: no number of writes wears it out. */
export function aesGcmFromSeed(seed: Buffer): Transformer {
  if (seed.length < derivedBytes) throw new Error(`invalid seed length ${seed.length} used for key generation`);
  const transformer: Transformer = {
    seal(plain, place) {
      const info = randomBytes(derivedBytes);
      return Buffer.concat([info, gcmSeal(expand(seed, info), plain, place)]);
    },
    open(sealed, place) {
      if (sealed.length < derivedBytes) throw new Error(tooShort);
      const key = expand(seed, sealed.subarray(0, derivedBytes));
      return { plain: gcmOpen(key, sealed.subarray(derivedBytes), place), isStale: false };
    },
    writer: () => transformer,
  };
  return transformer;
}
