/**
 * The key that a KMS provider writes with: a seed of our own, which the KMS has encrypted. Its status is asked for regularly; another
 * key id there means another seed. While the KMS fails, reads go on, and writes for three minutes.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { aggregateError } from '../../../api/index.ts';
import type { Clock } from '../../../time/index.ts';
import { hashOf } from '../../metrics/hash-of.ts';
import { aesGcmFromSeed, derivedBytes } from '../aes.ts';
import type { EncryptionMetrics } from '../metrics.ts';
import type { Transformer } from '../transformer.ts';
import { type EncryptedObject, keyIdProblem, keyOf, keySource, validateEncryptedObject } from './encrypted-object.ts';
import type { KeyService } from './key-service.ts';

// k8s.io/apiserver's encryptionconfig: kmsv2PluginHealthz*Interval, kmsv2PluginWriteDEKSourceMaxTTL, kmsPluginHealthz*TTL.
const healthyIntervalMs = 60_000;
const failingIntervalMs = 10_000;
const longestWriteMs = 180_000;
const failedAnswerMs = 3000;
const healthyAnswerMs = 20_000;

class StatusFailure extends Error {
  declare readonly cause: Error;
  constructor(provider: string, cause: Error) {
    super(`failed to perform status section of the healthz check for KMS Provider ${provider}, error: ${messageOf(cause)}`, { cause });
  }
}

export interface WriteKey {
  transformer: Transformer;
  /** All of what is stored but the data. */
  envelope: Omit<EncryptedObject, 'encryptedData'>;
  /** As of `keyOf`. */
  cacheKey: string;
  /** Until when it may write, in wall time. */
  expiresMs: number;
}

export interface KeyRing {
  /** Throws where the KMS has not given one yet. */
  current(): WriteKey;
  present(): WriteKey | undefined;
  /** Asks the KMS, unless it has answered just now. Rejects with what is wrong. */
  check(): Promise<void>;
}

export interface KeyRingOptions {
  name: string;
  service: KeyService;
  clock: Clock;
  logger: Logger | undefined;
  metrics: EncryptionMetrics;
  /** Ends the asking. */
  signal: AbortSignal;
}

const goTime = (ms: number) => (ms === 0 ? '0001-01-01T00:00:00Z' : `${new Date(ms).toISOString().slice(0, 19)}Z`);
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Asks once before it resolves, and from then on until the signal is aborted. A KMS that is not there yet is no error. */
export async function openKeyRing({ name, service, clock, logger, metrics, signal }: KeyRingOptions): Promise<KeyRing> {
  let key: WriteKey | undefined;
  let version: string | undefined;
  let answered: { atMs: number; forMs: number; error: Error | undefined } | undefined;
  let asking: Promise<void> | undefined;

  async function generate(uid: string): Promise<Omit<WriteKey, 'expiresMs'>> {
    const started = clock.monotonic();
    const seed = randomBytes(derivedBytes);
    metrics.keyGenerated((clock.monotonic() - started) / 1000);
    const answer = await service.encrypt(uid, seed).catch((error) => {
      throw new Error(`failed to encrypt DEK, error: ${messageOf(error)}`, { cause: error });
    });
    const envelope = {
      keyId: answer.keyId,
      encryptedDekSource: answer.ciphertext,
      annotations: answer.annotations,
      encryptedDekSourceType: keySource.hkdfSha256XnonceAesGcmSeed,
    };
    const object = { ...envelope, encryptedData: Buffer.of(0) };
    validateEncryptedObject(object);
    return { transformer: aesGcmFromSeed(seed), envelope, cacheKey: keyOf(object) };
  }

  async function rotate(statusKeyId: string): Promise<void> {
    // From before the call: the time that a slow KMS takes is not ours to write with.
    const expiresMs = clock.now() + longestWriteMs;
    if (key?.envelope.keyId === statusKeyId) {
      key = { ...key, expiresMs };
      return;
    }
    const uid = randomUUID();
    let failure: Error | undefined;
    const made = await generate(uid).catch((error) => {
      failure = error;
    });
    if (made?.envelope.keyId === statusKeyId) {
      key = { ...made, expiresMs };
      return;
    }
    const hash = (keyId: string | undefined) => JSON.stringify(hashOf(keyId ?? ''));
    throw new Error(
      `failed to rotate DEK uid=${JSON.stringify(uid)}, useSeed=true, errState=${key ? '<nil>' : 'got unexpected nil transformer'}, ` +
        `errGen=${failure ? failure.message : '<nil>'}, statusKeyIDHash=${hash(statusKeyId)}, encryptKeyIDHash=${hash(made?.envelope.keyId)}, ` +
        `stateKeyIDHash=${hash(key?.envelope.keyId)}, expirationTimestamp=${goTime(key?.expiresMs ?? 0)}`,
      { cause: failure },
    );
  }

  async function ask(): Promise<void> {
    const status = await service.status().catch((error) => {
      throw new StatusFailure(name, error);
    });
    const errors: Error[] = [];
    if (status.healthz !== 'ok') errors.push(new Error(`got unexpected healthz status: ${status.healthz}`));
    if (status.version !== 'v2' && status.version !== 'v2beta1')
      errors.push(new Error(`expected KMSv2 API version v2, got ${status.version}`));
    else {
      version ??= status.version;
      if (version !== status.version)
        errors.push(
          new Error(`KMSv2 API version should not change after the initial status response version ${version}, got ${status.version}`),
        );
    }
    const problem = keyIdProblem(status.keyId);
    if (problem) {
      metrics.invalidKeyInStatus(name, problem.code);
      errors.push(new Error(`got invalid KMSv2 KeyID hash ${JSON.stringify(hashOf(status.keyId))}: ${problem.message}`));
    } else {
      metrics.keyInStatus(name, status.keyId);
      await rotate(status.keyId).catch((error) => errors.push(error));
    }
    const all = aggregateError(errors);
    if (all) throw new Error(`kmsv2 Provider ${name} is not healthy, error: ${all.message}`, { cause: all });
  }

  const check = async (): Promise<void> => {
    if (answered && clock.monotonic() - answered.atMs < answered.forMs) {
      if (answered.error) throw answered.error;
      return;
    }
    // Who comes while it is being asked gets the same answer.
    asking ??= ask()
      .then(
        () => {
          answered = { atMs: clock.monotonic(), forMs: healthyAnswerMs, error: undefined };
        },
        (error) => {
          // As upstream's: who asks again meanwhile is told the plugin's own words only.
          const known = error instanceof StatusFailure ? error.cause : error;
          answered = { atMs: clock.monotonic(), forMs: failedAnswerMs, error: known };
          throw error;
        },
      )
      .finally(() => {
        asking = undefined;
      });
    await asking;
  };

  const probe = (): Promise<boolean> =>
    check().then(
      () => true,
      (error) => {
        if (!signal.aborted) logger?.error({ err: error, name }, 'kms plugin failed health check probe');
        return false;
      },
    );
  const keepAsking = async (first: boolean) => {
    for (let healthy = first; ; healthy = await probe()) await clock.sleep(healthy ? healthyIntervalMs : failingIntervalMs, signal);
  };
  // Only the signal ends it.
  void keepAsking(await probe()).catch(() => {});

  return {
    check,
    present: () => key,
    current() {
      if (!key) throw new Error('got unexpected nil transformer');
      return key;
    },
  };
}
