import { accessSync, constants, mkdirSync } from 'node:fs';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../time/index.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { dataFileOf } from './lmdb-backend.ts';
import { openMvccStore } from './mvcc-store.ts';
import type { Retention } from './retention.ts';
import { shrinkingBackend } from './shrinking-backend.ts';
import type { Store } from './store.ts';

export interface EmbeddedStoreOptions {
  /** Made where it is missing. One process at a time may have it open. */
  dir: string;
  clock?: Clock;
  logger?: Logger;
  retention?: Retention;
  /** Address space to begin with; it grows with the data. Default 4 GiB. */
  mapBytes?: number;
}

/** The data directory cannot be used: not writable, locked, or of another format. */
export class StoreUnusableError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StoreUnusableError';
  }
}

/** A durable store in a directory: a write is answered after it is on disk. Throws StoreUnusableError. */
export async function openEmbeddedStore({ dir, clock = systemClock, logger, retention, mapBytes }: EmbeddedStoreOptions): Promise<Store> {
  const lock = takeDirectory(dir);
  try {
    const backend = shrinkingBackend(dataFileOf(dir), mapBytes ? { mapBytes } : {});
    const store = openMvccStore({
      backend: {
        ...backend,
        close: async () => {
          await backend.close();
          lock.release();
        },
      },
      clock,
      ...(retention ? { retention } : {}),
      onBackgroundError: (error, what) => logger?.error({ err: error, dir }, `store: ${what}`),
    });
    logger?.info({ dir, revision: await store.revision() }, 'opened the store');
    return store;
  } catch (error) {
    lock.release();
    if (error instanceof StoreUnusableError) throw error;
    throw new StoreUnusableError(`cannot open the store in ${dir}: ${messageOf(error)}`, error);
  }
}

/** Makes the directory where it is missing and locks it for this process. Throws StoreUnusableError. */
export function takeDirectory(dir: string): DirectoryLock {
  let lock: DirectoryLock | undefined;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    lock = lockDirectory(dir);
  } catch (error) {
    throw new StoreUnusableError(`cannot write to the store's directory ${dir}: ${messageOf(error)}`, error);
  }
  if (!lock) throw new StoreUnusableError(`the store in ${dir} is in use by another process`);
  return lock;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
