/** Mounts, by the system's own programs. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Mounter {
  tmpfs(path: string, sizeBytes?: number): Promise<void>;
  unmount(path: string): Promise<void>;
  /** Mount points at or below a path, the deepest first. */
  below(path: string): Promise<string[]>;
}

/** mountinfo writes blanks and the like in octal. */
const decodeOctal = (text: string) => text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

export const systemMounter: Mounter = {
  async tmpfs(path, sizeBytes) {
    await run('mount', ['-t', 'tmpfs', '-o', sizeBytes ? `rw,size=${sizeBytes}` : 'rw', 'tmpfs', path]);
  },
  async unmount(path) {
    await run('umount', [path]);
  },
  async below(path) {
    const table = await readFile('/proc/self/mountinfo', 'utf8');
    return table
      .split('\n')
      .map((row) => decodeOctal(row.split(' ')[4] ?? ''))
      .filter((point) => point === path || point.startsWith(`${path}/`))
      .sort((a, b) => b.length - a.length);
  },
};
