/** Envelope encryption by a KMS v2 provider: data by a key derived from a seed, the seed by the KMS. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../time/index.ts';
import { hashOf } from '../../metrics/hash-of.ts';
import { aesGcm, aesGcmFromSeed } from '../aes.ts';
import type { EncryptionMetrics } from '../metrics.ts';
import type { Opened, Transformer } from '../transformer.ts';
import {
  decodeEncryptedObject,
  type EncryptedObject,
  encodeEncryptedObject,
  keyOf,
  keySource,
  validateEncryptedObject,
} from './encrypted-object.ts';
import type { KeyService } from './key-service.ts';
import type { KeyRing } from './write-key.ts';

/** How long a key that the KMS has opened is kept. There are about as many as there were key ids and starts of servers. */
const keptMs = 24 * 3_600_000;

export interface EnvelopeOptions {
  name: string;
  service: KeyService;
  keys: KeyRing;
  clock: Clock;
  metrics: EncryptionMetrics;
}

const goTime = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

export function envelopeTransformer({ name, service, keys, clock, metrics }: EnvelopeOptions): Transformer {
  const cache = new Map<string, { transformer: Transformer; untilMs: number }>();
  /** Keys on their way from the KMS: whoever needs one waits for the same answer. */
  const opening = new Map<string, Promise<Transformer>>();

  const keep = (cacheKey: string, transformer: Transformer): void => {
    const now = clock.monotonic();
    if (cache.has(cacheKey)) cache.delete(cacheKey);
    else for (const [known, { untilMs }] of cache) if (untilMs <= now) cache.delete(known);
    cache.set(cacheKey, { transformer, untilMs: now + keptMs });
  };

  async function askForKey(cacheKey: string, object: EncryptedObject): Promise<Transformer> {
    metrics.cacheMiss();
    const { encryptedDekSource: ciphertext, keyId, annotations } = object;
    const key = await service.decrypt(randomUUID(), { ciphertext, keyId, annotations: { ...annotations } }).catch((error) => {
      throw new Error(`failed to decrypt DEK, error: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    const isSeed = object.encryptedDekSourceType === keySource.hkdfSha256XnonceAesGcmSeed;
    if (!isSeed && ![16, 24, 32].includes(key.length)) throw new Error(`crypto/aes: invalid key size ${key.length}`);
    const transformer = isSeed ? aesGcmFromSeed(Buffer.from(key)) : aesGcm(Buffer.from(key));
    keep(cacheKey, transformer);
    return transformer;
  }

  const finish = (transformer: Transformer, object: EncryptedObject, place: string): Opened => {
    metrics.keyUsed('from_storage', name, object.keyId);
    const { envelope } = keys.current();
    // AES opens without asking anybody.
    const { plain } = transformer.open(object.encryptedData, place) as Opened;
    const isStale = object.keyId !== envelope.keyId || object.encryptedDekSourceType !== envelope.encryptedDekSourceType;
    return { plain, isStale };
  };

  return {
    seal(plain, place) {
      const { transformer, envelope, cacheKey, expiresMs } = keys.current();
      const now = clock.now();
      if (now > expiresMs)
        throw new Error(
          `encryptedDEKSource with keyID hash ${JSON.stringify(hashOf(envelope.keyId))} expired at ${goTime(expiresMs)} (current time is ${goTime(now)})`,
        );
      if (cache.get(cacheKey)?.transformer !== transformer) keep(cacheKey, transformer);
      metrics.keyUsed('to_storage', name, envelope.keyId);
      return encodeEncryptedObject({ ...envelope, encryptedData: transformer.seal(plain, place) });
    },

    open(sealed, place) {
      const object = decodeEncryptedObject(sealed);
      validateEncryptedObject(object);
      keys.current();
      const cacheKey = keyOf(object);
      const known = cache.get(cacheKey);
      if (known && known.untilMs > clock.monotonic()) return finish(known.transformer, object, place);
      let coming = opening.get(cacheKey);
      if (!coming) {
        coming = askForKey(cacheKey, object).finally(() => opening.delete(cacheKey));
        opening.set(cacheKey, coming);
      }
      return coming.then((transformer) => finish(transformer, object, place));
    },

    writer: () => keys.present()?.envelope.encryptedDekSource,
  };
}
