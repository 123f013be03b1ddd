/** Configuration files that the server reads again when they change (--authorization-config, --authentication-config). */
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type Cell, counters, gauges } from '../observability/index.ts';
import type { Clock } from '../time/index.ts';
import { hashOf } from './metrics/hash-of.ts';

/** Editors and kubelets write in several steps: a file is read when it has been quiet for this long. */
export const settleMs = 50;

/** Calls back whenever the file may have another content, until the signal. */
export function watchFile(file: string, onChange: () => void, onError: (error: unknown) => void, signal: AbortSignal): void {
  // The folder, as a file that is replaced is another file; and links (how the kubelet mounts) change beside it.
  const watcher = watch(dirname(file), { persistent: false }, (_, name) => {
    if (name === null || name === basename(file) || name.startsWith('..')) onChange();
  });
  watcher.on('error', onError);
  signal.addEventListener('abort', () => watcher.close(), { once: true });
}

export interface FollowFilesOptions {
  files: readonly string[];
  /** Reads them; called once at the beginning, for what was written before they were watched. Throws where they can't be used. */
  update(): Promise<void>;
  onError(error: unknown): void;
  clock: Clock;
  signal: AbortSignal;
}

/** Has files read again whenever they may have changed, or somebody calls what is returned, until the signal. */
export function followFiles({ files, update, onError, clock, signal }: FollowFilesOptions): () => void {
  let wake = Promise.withResolvers<void>();
  async function follow(): Promise<void> {
    for (;;) {
      await wake.promise;
      await clock.sleep(settleMs, signal);
      wake = Promise.withResolvers();
      await update().catch(onError);
    }
  }
  for (const file of files) watchFile(file, () => wake.resolve(), onError, signal);
  follow().catch((error: unknown) => {
    if (!signal.aborted) onError(error);
  });
  wake.resolve();
  return () => wake.resolve();
}

/** Of apiserver_authorization_config_controller_* and its fellow. */
function reloadMetrics(registry: Registry, subject: FollowOptions['subject'], clock: Clock, serverId: string) {
  const id = { apiserver_id_hash: hashOf(serverId) };
  const prefix = `apiserver_${subject}_config_controller_`;
  const reloads = counters(registry, {
    name: `${prefix}automatic_reloads_total`,
    help: `Total number of automatic reloads of ${subject} configuration split by status and apiserver identity.`,
  });
  const times = gauges(registry, {
    name: `${prefix}automatic_reload_last_timestamp_seconds`,
    help: `Timestamp of the last automatic reload of ${subject} configuration split by status and apiserver identity.`,
  });
  const info = gauges(registry, {
    name: `${prefix}last_config_info`,
    help: `Information about the last applied ${subject} configuration with hash as label, split by apiserver identity.`,
  });
  let configured: Cell | undefined;
  return {
    reloaded(status: 'success' | 'failure') {
      reloads.with({ status, ...id }).inc();
      times.with({ status, ...id }).value = clock.now() / 1000;
    },
    configured(text: string) {
      if (configured) info.drop(configured.labels);
      configured = info.with({ ...id, hash: hashOf(text) });
      configured.value = 1;
    },
  };
}

/** A configuration that is right, but can't be gone on with now. */
export class PassingError extends Error {}

/** After this it is tried again. */
const retryMs = 60_000;

export interface FollowOptions {
  file: string;
  subject: 'authorization' | 'authentication';
  /** The text that the server has begun with. */
  text: string;
  /** Has the server go on with another text; throws, and changes nothing, where that can't be. */
  apply(text: string): Promise<void>;
  clock: Clock;
  logger: Logger;
  metrics: Registry;
  /** Which API server this is, for metrics. */
  serverId: string;
  signal: AbortSignal;
}

/** Follows the file until the signal. What is wrong with it is told and counted; the configuration before goes on then. */
export function followConfiguration(options: FollowOptions): void {
  const { file, subject, clock, logger, signal } = options;
  const metrics = reloadMetrics(options.metrics, subject, clock, options.serverId);
  metrics.configured(options.text);
  let known = options.text;
  async function update(): Promise<void> {
    try {
      const text = await readFile(file, 'utf8');
      if (text === known) return;
      const before = known;
      known = text;
      await options.apply(text).catch((error: unknown) => {
        if (error instanceof PassingError) {
          known = before;
          clock.setTimer(retryMs, again, { background: true });
        }
        throw error;
      });
      metrics.reloaded('success');
      metrics.configured(text);
      logger.info({ file }, `reloaded ${subject} config`);
    } catch (error) {
      metrics.reloaded('failure');
      logger.error({ err: error, file }, `reloading ${subject} config`);
    }
  }
  const onError = (error: unknown) => logger.error({ err: error, file }, `watching ${subject} config file`);
  const again = followFiles({ files: [file], update, onError, clock, signal });
}
