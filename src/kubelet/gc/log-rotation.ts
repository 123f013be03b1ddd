/** Rotates containers' logs as upstream's log manager does: `0.log` becomes `0.log.20260102-150405`, and with the next rotation a `.gz`. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const compressed = '.gz';
const unfinished = '.tmp';

export interface LogLimits {
  /** containerLogMaxSize */
  maxBytes: number;
  /** containerLogMaxFiles: the one that is written among them. */
  maxFiles: number;
}

/** Rotates the log where it has grown to its limit. `reopen` has the runtime begin another; where it fails, all is as before. */
export async function rotateLog(path: string, { maxBytes, maxFiles }: LogLimits, now: Date, reopen: () => Promise<unknown>): Promise<void> {
  const size = await stat(path).then(
    (s) => s.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
  if (size < maxBytes) return;
  await tidy(path, maxFiles);
  const aside = `${path}.${stampOf(now)}`;
  await rename(path, aside);
  try {
    await reopen();
  } catch (error) {
    await rename(aside, path);
    throw error;
  }
}

/** `20060102-150405` */
const stampOf = (now: Date) => now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');

/** Leaves room for the file that is about to come, takes what a killed kubelet left half done, and compresses the rest. */
async function tidy(path: string, maxFiles: number): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.`;
  const names = (await readdir(directory)).filter((name) => name.startsWith(prefix));
  const halfDone = (name: string) => name.endsWith(unfinished) || (!name.endsWith(compressed) && names.includes(`${name}${compressed}`));
  const whole = names.filter((name) => !halfDone(name)).sort();
  // The log itself, and the one that is rotated next.
  const kept = whole.slice(Math.max(0, whole.length - Math.max(0, maxFiles - 2)));
  for (const name of names) if (!kept.includes(name)) await rm(join(directory, name), { force: true });
  for (const name of kept) if (!name.endsWith(compressed)) await compress(join(directory, name));
}

async function compress(path: string): Promise<void> {
  const target = `${path}${compressed}`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${target}${unfinished}`, { mode: 0o640 }));
  await rename(`${target}${unfinished}`, target);
  await rm(path);
}
