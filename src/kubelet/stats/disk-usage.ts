import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** stat(2) counts blocks of this size, whatever the filesystem's own are. */
const blockBytes = 512;

/** What a file or a folder with all that is in it takes on disk, in bytes; what goes away meanwhile takes nothing. */
export async function diskUsage(path: string): Promise<number> {
  const seen = new Set<number>();
  const visit = async (at: string): Promise<number> => {
    const info = await lstat(at).catch(ignoreAbsent);
    if (!info) return 0;
    // A file with several names is there once.
    if (info.nlink > 1 && !info.isDirectory()) {
      if (seen.has(info.ino)) return 0;
      seen.add(info.ino);
    }
    let total = info.blocks * blockBytes;
    if (info.isDirectory()) for (const name of (await readdir(at).catch(ignoreAbsent)) ?? []) total += await visit(join(at, name));
    return total;
  };
  return visit(path);
}

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
