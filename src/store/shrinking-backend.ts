/**
 * An LMDB file that can be replaced by a smaller copy of itself while it is in use. LMDB never gives room back: pages that become free
 * are written to again later. The copy has only what is alive.
 */
import { renameSync, statSync } from 'node:fs';
import type { Backend } from './backend.ts';
import { makeDurable, removeDatabase } from './database-file.ts';
import { type LmdbOptions, lmdbBackend } from './lmdb-backend.ts';

/** Throws DamagedStoreError and FormatError. */
export function shrinkingBackend(path: string, options: LmdbOptions = {}): Backend {
  const fresh = `${path}.compacting`;
  // Of a process that was killed while it made it.
  removeDatabase(fresh);
  let present = lmdbBackend(path, options);
  return {
    snapshot: () => present.snapshot(),
    write: (batch) => present.write(batch),
    sizeBytes: () => present.sizeBytes(),
    close: () => present.close(),

    async defragment() {
      const beforeBytes = statSync(path).size;
      try {
        await present.copy(fresh);
        makeDurable(fresh);
        const next = lmdbBackend(fresh, { ...options, trusted: true, finalPath: path });
        try {
          // Readers of other processes tell the writer by this table where they are. Whoever opens between these two lines reads the file
          // that nobody writes to any more, as those do who have it open.
          renameSync(`${fresh}-lock`, `${path}-lock`);
          renameSync(fresh, path);
          makeDurable(path);
        } catch (error) {
          await next.close();
          throw error;
        }
        const before = present;
        present = next;
        await before.close();
      } finally {
        removeDatabase(fresh);
      }
      return { beforeBytes, afterBytes: statSync(path).size };
    },
  };
}
