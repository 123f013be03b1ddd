/** Care of an embedded store's directory: looking into it beside the process that has it open, checking, copying, shrinking. */
import { copyFileSync, existsSync, linkSync, rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock } from '../time/index.ts';
import type { Batch, Counters, Snapshot } from './backend.ts';
import { removeDatabase, settle } from './database-file.ts';
import { lockDirectory } from './directory-lock.ts';
import { StoreUnusableError, takeDirectory } from './embedded-store.ts';
import { dataFileOf, lmdbBackend } from './lmdb-backend.ts';
import { openMvccStore } from './mvcc-store.ts';
import { CompactedError } from './store.ts';
import { changesSince, type StoredChange } from './times.ts';
import { type StoreCheck, type StoreFacts, verify } from './verify.ts';

export interface StoreReader {
  /** Whether a process has the store open for writing. */
  inUse: boolean;
  snapshot(): Snapshot;
  /** As of now; to be read without giving control back to the event loop. */
  changes(sinceMs?: number): Iterable<StoredChange>;
  copy(path: string): Promise<void>;
  close(): Promise<void>;
}

function unusable(what: string, error: unknown): StoreUnusableError {
  if (error instanceof StoreUnusableError) return error;
  return new StoreUnusableError(`${what}: ${error instanceof Error ? error.message : String(error)}`, error);
}

/** Opens a store to look into, running or not. Throws StoreUnusableError. */
export function openStoreReader(dir: string): StoreReader {
  const path = dataFileOf(dir);
  if (!existsSync(path)) throw new StoreUnusableError(`there is no store in ${dir}`);
  const lock = lockDirectory(dir);
  try {
    // Beside a writer the pages are not at rest; whoever runs has checked them.
    const backend = lmdbBackend(path, { readOnly: true, trusted: lock === undefined });
    return {
      inUse: lock === undefined,
      snapshot: backend.snapshot,
      changes: (sinceMs) => changesSince(backend.snapshot(), sinceMs),
      copy: backend.copy,
      close: async () => {
        await backend.close();
        lock?.release();
      },
    };
  } catch (error) {
    lock?.release();
    throw unusable(`cannot open the store in ${dir}`, error);
  }
}

/** Reads everything in a store, running or not. Throws StoreUnusableError where it can't be read at all. */
export async function checkStore(dir: string): Promise<StoreCheck & { inUse: boolean; sizeBytes: number }> {
  const reader = openStoreReader(dir);
  try {
    return { ...verify(reader.snapshot()), inUse: reader.inUse, sizeBytes: statSync(dataFileOf(dir)).size };
  } finally {
    await reader.close();
  }
}

/** Copies a store, running or not, as it is at one moment into a new file, and reads the copy. */
export async function backupStore(dir: string, file: string): Promise<StoreFacts & { sizeBytes: number }> {
  if (existsSync(file)) throw new StoreUnusableError(`${file} exists already`);
  const reader = openStoreReader(dir);
  const partial = `${resolve(file)}.partial`;
  try {
    rmSync(partial, { force: true });
    await reader.copy(partial);
    const { problems, ...facts } = await verifyFile(partial);
    if (problems.length > 0) throw new StoreUnusableError(`the store in ${dir} is damaged: ${problems.join('; ')}`);
    settle(partial, file);
    return { ...facts, sizeBytes: statSync(file).size };
  } catch (error) {
    throw unusable(`could not back up the store in ${dir} to ${file}`, error);
  } finally {
    removeDatabase(partial);
    await reader.close();
  }
}

/**
 * Puts a backup in the place of a store that nobody has open. What was there stays beside it as `store.mdb.before-restore`. Revisions go
 * on after the highest that was given out, and history begins anew, so that clients that watched before notice and list again.
 */
export async function restoreStore(file: string, dir: string): Promise<StoreFacts & { before?: string }> {
  if (!existsSync(file)) throw new StoreUnusableError(`there is no file ${file}`);
  const lock = takeDirectory(dir);
  const path = dataFileOf(dir);
  const fresh = `${path}.restoring`;
  try {
    removeDatabase(fresh);
    copyFileSync(file, fresh);
    const backend = lmdbBackend(fresh);
    let facts: StoreFacts;
    try {
      const { problems, ...found } = verify(backend.snapshot());
      if (problems.length > 0) throw new StoreUnusableError(`${file} is damaged: ${problems.join('; ')}`);
      const revision = Math.max(found.revision, await lastRevision(path, found.revision)) + 1;
      await backend.write(countersOnly({ ...backend.snapshot().counters(), revision, compactRevision: revision }));
      facts = { ...found, revision, compactRevision: revision };
    } finally {
      await backend.close();
    }
    const before = existsSync(path) ? `${path}.before-restore` : undefined;
    if (before) {
      rmSync(before, { force: true });
      linkSync(path, before);
    }
    settle(fresh, path);
    return { ...facts, ...(before ? { before } : {}) };
  } catch (error) {
    throw unusable(`could not restore ${file}`, error);
  } finally {
    removeDatabase(fresh);
    lock.release();
  }
}

/** Forgets all history and gives the room back to the disk. Throws StoreUnusableError while a process has the store open. */
export async function compactStore(dir: string): Promise<{ revision: number; beforeBytes: number; afterBytes: number }> {
  const path = dataFileOf(dir);
  if (!existsSync(path)) throw new StoreUnusableError(`there is no store in ${dir}`);
  const lock = takeDirectory(dir);
  const fresh = `${path}.compacting`;
  try {
    const beforeBytes = statSync(path).size;
    const backend = lmdbBackend(path);
    const store = openMvccStore({
      backend,
      clock: systemClock,
      onBackgroundError: (error, what) => {
        throw new Error(what, { cause: error });
      },
    });
    let revision: number;
    try {
      revision = await store.revision();
      await store.compact(revision).catch((error) => {
        // There is no history to forget.
        if (!(error instanceof CompactedError)) throw error;
      });
      removeDatabase(fresh);
      await backend.copy(fresh);
    } finally {
      await store.close();
    }
    const { problems } = await verifyFile(fresh);
    if (problems.length > 0) throw new StoreUnusableError(`the store in ${dir} is damaged: ${problems.join('; ')}`);
    settle(fresh, path);
    return { revision, beforeBytes, afterBytes: statSync(path).size };
  } catch (error) {
    throw unusable(`could not compact the store in ${dir}`, error);
  } finally {
    removeDatabase(fresh);
    lock.release();
  }
}

async function verifyFile(path: string): Promise<StoreCheck> {
  const backend = lmdbBackend(path, { readOnly: true });
  try {
    return verify(backend.snapshot());
  } finally {
    await backend.close();
  }
}

/** More than any store gives out between a backup and its restore (as `etcdutl snapshot restore --bump-revision` is used). */
const unknownRevisions = 1_000_000_000;

/** The revision of the store that is to be replaced: nobody may see it go back. */
async function lastRevision(path: string, backedUp: number): Promise<number> {
  if (!existsSync(path)) return backedUp;
  try {
    const backend = lmdbBackend(path, { readOnly: true });
    const { revision } = backend.snapshot().counters();
    await backend.close();
    return revision;
  } catch {
    // It can't be read, which may be why it is replaced.
    return backedUp + unknownRevisions;
  }
}

function countersOnly(counters: Counters): Batch {
  return { counters, keys: new Map(), entries: new Map(), removedEntries: [], leases: new Map(), attached: [], detached: [] };
}
