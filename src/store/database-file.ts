/** An LMDB file among others: made durable under its name, and removed. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Makes a finished file durable under another name. */
export function settle(from: string, to: string): void {
  sync(from);
  renameSync(from, to);
  sync(dirname(resolve(to)));
}

/** Makes the file and its name durable. */
export function makeDurable(path: string): void {
  sync(path);
  sync(dirname(resolve(path)));
}

export function removeDatabase(path: string): void {
  for (const part of [path, `${path}-lock`]) rmSync(part, { force: true });
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
