/**
 * Encryption at rest (--encryption-provider-config): between objects and the store, by resource. With automatic reload the file is
 * watched; a new configuration takes the old one's place once it is valid and its KMS answer, and reads never pause.
 */
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { HealthCheck, HealthEndpoint } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import { settleMs, watchFile } from '../configuration-file.ts';
import { hashOf } from '../metrics/hash-of.ts';
import { parseConfiguration } from './configuration.ts';
import { createEncryptionMetrics } from './metrics.ts';
import { openProviders, type Providers } from './providers.ts';
import type { GroupResource } from './resource-names.ts';
import type { Opened, Transformer } from './transformer.ts';

export interface EncryptionOptions {
  /** --encryption-provider-config. */
  file: string;
  /** --encryption-provider-config-automatic-reload. Default false. */
  reload?: boolean;
  clock: Clock;
  logger?: Logger;
  metrics: Registry;
  /** Which API server this is, for metrics. */
  serverId: string;
}

export interface Encryption {
  /** What values of a resource go through; of the configuration as it is at each call. */
  transformerOf(resource: GroupResource): Transformer;
  /** Opens a value of any resource. */
  open(value: Buffer, key: string): Opened | Promise<Opened>;
  /** With the endpoints that they are asked at; default: all. */
  readonly healthChecks: readonly (HealthCheck & { endpoints?: readonly HealthEndpoint[] })[];
  close(): void;
}

/** Least time that a new configuration's KMS have to become healthy (upstream's minKMSPluginCloseGracePeriod). */
const leastGraceMs = 10_000;
const healthRetryMs = 100;
/** After a failure, as upstream's work queue: 5 ms at first, twice as long each time. */
const firstRetryMs = 5;
const longestRetryMs = 60_000;

async function load(file: string): Promise<{ text: string; hash: string }> {
  const quoted = JSON.stringify(file);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? `open ${file}: no such file or directory` : error.message;
    throw new Error(`error while loading file: error reading encryption provider configuration file ${quoted}: ${why}`, { cause: error });
  });
  if (text.length === 0) throw new Error(`error while loading file: encryption provider configuration file ${quoted} is empty`);
  return { text, hash: hashOf(text) };
}

/** Throws in upstream's words where the file is not as it should be. A KMS that does not answer is no error here. */
export async function openEncryption(options: EncryptionOptions): Promise<Encryption> {
  const { file, reload = false, clock, logger } = options;
  const metrics = createEncryptionMetrics(options.metrics, clock, options.serverId);
  const lifetime = new AbortController();
  const read = async () => {
    try {
      const { text, hash } = await load(file);
      return { hash, configuration: parseConfiguration(text, file, reload) };
    } catch (error) {
      throw new Error(`error while parsing file: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  const first = await read();
  let loadedHash = first.hash;
  let present: Providers = await openProviders(first.configuration, { clock, logger, metrics });
  metrics.configured(loadedHash);

  /** Until they are, or it has taken too long. */
  async function healthy(providers: Providers): Promise<void> {
    const deadline = clock.monotonic() + Math.max(providers.graceMs, leastGraceMs);
    for (;;) {
      const failure = await providers.checkKms().then(
        () => undefined,
        (error: Error) => error,
      );
      if (!failure) return;
      if (clock.monotonic() >= deadline)
        throw new Error(`health check for new transformers failed, polling error context deadline exceeded: ${failure.message}`, {
          cause: failure,
        });
      await clock.sleep(healthRetryMs, lifetime.signal);
    }
  }

  /** Reads the file; false where there is nothing new. */
  async function update(): Promise<boolean> {
    const { hash } = await load(file);
    if (hash === loadedHash) return false;
    const next = await read();
    const providers = await openProviders(next.configuration, { clock, logger, metrics });
    try {
      await healthy(providers);
    } catch (error) {
      providers.close();
      throw error;
    }
    const before = present;
    present = providers;
    loadedHash = next.hash;
    // What is under way with the old ones ends there.
    clock.setTimer(before.graceMs, () => before.close(), { background: true });
    return true;
  }

  let wake = Promise.withResolvers<void>();
  async function follow(): Promise<void> {
    for (let failures = 0; ; ) {
      await wake.promise;
      await clock.sleep(settleMs, lifetime.signal);
      wake = Promise.withResolvers();
      try {
        if (await update()) {
          metrics.reloaded('success');
          metrics.configured(loadedHash);
          logger?.info({ file }, 'loaded new encryption config content');
        }
        failures = 0;
      } catch (error) {
        if (lifetime.signal.aborted) return;
        metrics.reloaded('failure');
        logger?.error({ err: error, file }, `error processing encryption config file ${file}`);
        const again = wake;
        clock.setTimer(Math.min(longestRetryMs, firstRetryMs * 2 ** failures++), () => again.resolve(), { background: true });
      }
    }
  }
  if (reload) {
    const onError = (error: unknown) => logger?.error({ err: error, file }, 'lost the watch of the encryption config file');
    watchFile(file, () => wake.resolve(), onError, lifetime.signal);
    void follow().catch((error) => {
      if (!lifetime.signal.aborted) logger?.error({ err: error }, 'the encryption config file is no longer followed');
    });
    // What was written between the first reading and the watch.
    wake.resolve();
  }

  const healthChecks: Encryption['healthChecks'][number][] = [];
  // Not of its life: to begin anew helps nobody while the KMS is away.
  if (reload || present.usesKms)
    healthChecks.push({ name: 'kms-providers', endpoints: ['healthz', 'readyz'], check: () => present.checkKms() });
  if (reload) healthChecks.push({ name: 'poststarthook/start-encryption-provider-config-automatic-reload', check: () => {} });

  return {
    transformerOf(resource) {
      let known = present;
      let transformer = known.transformerOf(resource);
      const current = (): Transformer => {
        if (known !== present) {
          known = present;
          transformer = known.transformerOf(resource);
        }
        return transformer;
      };
      return {
        seal: (plain, key) => current().seal(plain, key),
        open: (sealed, key) => current().open(sealed, key),
        writer: () => current().writer(),
      };
    },
    open: (value, key) => present.any.open(value, key),
    healthChecks,
    close() {
      lifetime.abort(new Error('the API server has closed'));
      present.close();
    },
  };
}
