import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../time/index.ts';

export interface RotationOptions {
  /** A file that would grow beyond is rotated; infinity: never. */
  maxBytes: number;
  /** Older backups are removed; 0: none is too old. */
  maxAgeDays: number;
  /** Of more backups the oldest are removed; 0: all are kept. */
  maxBackups: number;
  /** Backups become `.gz`. */
  compress: boolean;
}

export interface RotatingFile {
  /** Appends, at once: when this returns, the operating system has it. Throws what the file system does. */
  write(text: string): void;
  close(): Promise<void>;
}

const dayMs = 86_400_000;
const stampPattern = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}$/;

/** `2026-01-02T03-04-05.678`, in UTC, as lumberjack names backups. */
const stampOf = (ms: number) => new Date(ms).toISOString().slice(0, 23).replaceAll(':', '-');
const timeOf = (stamp: string) => Date.parse(`${stamp.slice(0, 11)}${stamp.slice(11).replaceAll('-', ':')}Z`);

/** A log file that is renamed to `NAME-TIME.EXT` when it has grown, with old ones removed, as lumberjack does for upstream. */
export function openRotatingFile(path: string, options: RotationOptions, clock: Clock, onError: (error: unknown) => void): RotatingFile {
  const dir = dirname(path);
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  let file = openSync(path, 'a', 0o600);
  let size = fstatSync(file).size;
  /** Clean-up after the last rotation. */
  let tidying: Promise<void> = Promise.resolve();

  const backups = () =>
    readdirSync(dir)
      .flatMap((name) => {
        const plain = name.endsWith('.gz') ? name.slice(0, -3) : name;
        if (!plain.startsWith(prefix) || !plain.endsWith(extension)) return [];
        const stamp = plain.slice(prefix.length, plain.length - extension.length);
        return stampPattern.test(stamp) ? [{ path: join(dir, name), atMs: timeOf(stamp) }] : [];
      })
      .sort((a, b) => b.atMs - a.atMs);

  const tidy = async () => {
    const { maxBackups, maxAgeDays, compress } = options;
    const all = backups();
    const expired = ({ atMs }: { atMs: number }, i: number) =>
      (maxBackups > 0 && i >= maxBackups) || (maxAgeDays > 0 && atMs < clock.now() - maxAgeDays * dayMs);
    for (const backup of all.filter(expired)) rmSync(backup.path, { force: true });
    if (!compress) return;
    for (const { path: old } of all.filter((backup, i) => !expired(backup, i) && !backup.path.endsWith('.gz'))) {
      await pipeline(createReadStream(old), createGzip(), createWriteStream(`${old}.gz`, { mode: 0o600 }));
      rmSync(old);
    }
  };

  const rotate = () => {
    closeSync(file);
    renameSync(path, join(dir, `${prefix}${stampOf(clock.now())}${extension}`));
    file = openSync(path, 'a', 0o600);
    size = 0;
    tidying = tidying.then(tidy).catch(onError);
  };

  return {
    write(text) {
      const bytes = Buffer.from(text);
      if (size > 0 && size + bytes.length > options.maxBytes) rotate();
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      size += bytes.length;
    },
    async close() {
      await tidying;
      closeSync(file);
    },
  };
}
