import { lstat, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HostPathVolumeSource } from '../../api/index.ts';

/** Checks or makes what a hostPath's type promises; upstream's words where it does not hold. */
export async function ensureHostPath({ path, type = '' }: HostPathVolumeSource): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  const fail = (what: string): never => {
    throw new Error(`hostPath type check failed: ${path} is not ${what}`);
  };
  switch (type) {
    case '':
      return;
    case 'DirectoryOrCreate':
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) fail('a directory');
      return;
    case 'Directory':
      if (!found?.isDirectory()) fail('a directory');
      return;
    case 'FileOrCreate':
      if (!found) {
        await lstat(dirname(path));
        await writeFile(path, '', { mode: 0o644 });
      } else if (!found.isFile()) fail('a file');
      return;
    case 'File':
      if (!found?.isFile()) fail('a file');
      return;
    case 'Socket':
      if (!found?.isSocket()) fail('a socket file');
      return;
    case 'CharDevice':
      if (!found?.isCharacterDevice()) fail('a character device');
      return;
    case 'BlockDevice':
      if (!found?.isBlockDevice()) fail('a block device');
      return;
    default:
      throw new Error(`${type} is an invalid volume type`);
  }
}
