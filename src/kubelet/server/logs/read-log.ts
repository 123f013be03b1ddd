/** A container's log as a stream: from its beginning or tail, and on as it grows, over rotations. */
import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { entryFormatter, type LogSelection } from './cri-log.ts';
import { tailOffset } from './tail.ts';

export interface LogOptions extends LogSelection {
  tailLines: number | undefined;
  /** Of what is read, not of the file. */
  limitBytes: number | undefined;
  /**
   * Goes on as the log grows. Resolves when the container has ended and has nothing more to say; undefined: what is there, and
   * no more.
   */
  follow: Promise<void> | undefined;
}

const blockBytes = 64 * 1024;
const lineFeed = 0x0a;

/** Cuts a file into entries, block by block, from an offset. */
function entryReader(file: FileHandle, from: number) {
  let offset = from;
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  return {
    /** The whole entries of the next block; undefined at the file's present end. */
    async next(): Promise<Buffer[] | undefined> {
      const block = Buffer.allocUnsafe(blockBytes);
      const { bytesRead } = await file.read(block, 0, blockBytes, offset);
      if (bytesRead === 0) return undefined;
      offset += bytesRead;
      const bytes = rest.length > 0 ? Buffer.concat([rest, block.subarray(0, bytesRead)]) : block.subarray(0, bytesRead);
      const entries: Buffer[] = [];
      let start = 0;
      for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, start)) {
        entries.push(bytes.subarray(start, at));
        start = at + 1;
      }
      rest = bytes.subarray(start);
      return entries;
    },
    /** What stands after the last newline. */
    torn: () => rest,
  };
}

/** Tells of changes in a log's directory: growth, and the files that rotation renames and makes. */
function changesOf(path: string, signal: AbortSignal) {
  let changed = Promise.withResolvers<void>();
  const watcher = watch(dirname(path), { signal, persistent: false }, (_, name) => {
    if (name === null || name.startsWith(basename(path))) changed.resolve();
  });
  // The directory goes with its pod, whose container has ended then.
  watcher.on('error', () => changed.resolve());
  return {
    /** Resolves at the first change since the last call of `reset`. */
    changed: () => changed.promise,
    reset() {
      changed = Promise.withResolvers<void>();
    },
    close: () => watcher.close(),
  };
}

async function isReplaced(path: string, file: FileHandle): Promise<boolean> {
  const [now, opened] = await Promise.all([
    stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined; // renamed, and its successor is not there yet
      throw error;
    }),
    file.stat(),
  ]);
  return now !== undefined && now.ino !== opened.ino;
}

/** Rejects at once where the file can't be opened. */
export async function readLog(path: string, options: LogOptions, signal: AbortSignal): Promise<AsyncGenerator<Buffer, void, void>> {
  const file = await open(path);
  return limited(chunks(path, file, options, signal), options.limitBytes);
}

async function* limited(source: AsyncGenerator<Buffer, void, void>, limitBytes: number | undefined): AsyncGenerator<Buffer, void, void> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of source) {
    yield chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function* chunks(path: string, first: FileHandle, options: LogOptions, signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  const { follow } = options;
  const format = entryFormatter(options);
  const stop = new AbortController();
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true, signal: stop.signal }));
  let file = first;
  let ended = false;
  const end = follow?.then(() => {
    ended = true;
  });
  try {
    // Before the first read, so that nothing is missed between the file's end and the wait.
    const changes = follow && changesOf(path, stop.signal);
    let reader = entryReader(file, options.tailLines === undefined ? 0 : await tailOffset(file, options.tailLines));
    while (!signal.aborted) {
      const last = ended;
      changes?.reset();
      const replaced = follow !== undefined && (await isReplaced(path, file));
      for (let entries = await reader.next(); entries !== undefined && !signal.aborted; entries = await reader.next()) {
        const out = entries.flatMap((entry) => format(entry, true));
        if (out.length > 0) yield Buffer.concat(out);
      }
      if (replaced) {
        // The old file was read to its end after its successor was there: nothing more comes to it.
        await file.close();
        file = await open(path);
        reader = entryReader(file, 0);
        continue;
      }
      if (changes === undefined || last) break;
      await Promise.race([changes.changed(), end, aborted]);
    }
    const torn = Buffer.concat(format(reader.torn(), false) as Buffer[]);
    if (torn.length > 0 && !signal.aborted) yield torn;
  } finally {
    stop.abort();
    await file.close();
  }
}
