/** A file system of its own, so that it can be full or read-only. Linux and root only. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const canMount = process.platform === 'linux' && process.getuid?.() === 0;

/** `options` as mount takes them, e.g. `size=4m`. */
export function mountSmallDisk(options: string): { path: string; unmount(): void } {
  const path = mkdtempSync(join(tmpdir(), 'k8ts-disk-'));
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'k8ts-test', path], { encoding: 'utf8' });
  if (mount.status !== 0) throw new Error(`could not mount a tmpfs: ${mount.stderr}`);
  return {
    path,
    unmount: () => {
      const { status, stderr } = spawnSync('umount', [path], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`could not unmount ${path}: ${stderr}`);
      rmdirSync(path);
    },
  };
}
