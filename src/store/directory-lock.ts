/**
 * One process at a time owns a data directory. The lock is the operating system's on an open file, held through SQLite because
 * Node has no call for it: it ends with the process, however it dies, and holds across network and process namespaces.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface DirectoryLock {
  release(): void;
}

/** undefined: somebody else has it. */
export function lockDirectory(dir: string): DirectoryLock | undefined {
  const db = new DatabaseSync(join(dir, 'lock'), { timeout: 0 });
  try {
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy) return undefined;
    throw error;
  }
  return { release: () => db.close() };
}

const sqliteBusy = 5;
