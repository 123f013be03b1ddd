/** Encryption at rest as the API server's flags ask for it. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { type Encryption, openEncryption } from '../server/index.ts';
import { systemClock as clock } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ClusterConfig } from './config.ts';
import { flag } from './flags.ts';

export interface ClusterEncryptionOptions {
  logger?: Logger;
  /** Default: nobody looks at them. */
  metrics?: Registry;
  /** Default: as the flag says. */
  reload?: boolean;
}

/** undefined where --encryption-provider-config is not given. Throws in upstream's words for what is wrong with the file. */
export async function openClusterEncryption(
  { args, apiPort }: ClusterConfig,
  { logger, metrics = new Registry(), ...options }: ClusterEncryptionOptions = {},
): Promise<Encryption | undefined> {
  const file = args.apiserver['encryption-provider-config'];
  const reload = options.reload ?? flag(args.apiserver['encryption-provider-config-automatic-reload'], false);
  if (!file) {
    if (reload) throw new ClusterError('--encryption-provider-config-automatic-reload must be set with --encryption-provider-config');
    return undefined;
  }
  try {
    return await openEncryption({ file, reload, clock, ...(logger ? { logger } : {}), metrics, serverId: `${hostname()}:${apiPort}` });
  } catch (error) {
    throw new ClusterError(error instanceof Error ? error.message : String(error));
  }
}
