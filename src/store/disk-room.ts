/**
 * Sees to it that LMDB never finds the disk full. Where a write of its pages fails, lmdb-js (3.5) formats its message into a buffer that
 * is too short, which can end the process; and LMDB's own answer to a partial write says nothing of room. So while the disk is nearly
 * full, the file is first lengthened by what a batch may need, by zeros, which set the room aside: if that fails nothing has happened.
 */
import { statfsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NoSpaceError } from './store.ts';

/** With as much free nobody else can fill the disk during one write. */
const plentyBytes = 256 * 2 ** 20;
/** What only writes that free something may use, so that there is a way out of a full disk. */
const reserveBytes = 512 * 1024;
const zeros = Buffer.alloc(256 * 1024);

const isNoSpace = (error: unknown) => error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');

const noSpace = (path: string, cause?: unknown) => new NoSpaceError(`could not write to ${path}: No space left on device`, cause);

/** Throws NoSpaceError where a file that is to be made would not find the room it needs. */
export function checkRoom(path: string, neededBytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize < neededBytes) throw noSpace(path);
}

/** What a batch needs at most, in bytes. */
export interface RoomNeeded {
  addedBytes: number;
  /** Copies of pages there are; no more than those in use. */
  copiedBytes: number;
  /** Whether it frees something and puts nothing. */
  frees: boolean;
}

/**
 * Sets room aside in LMDB's file, whose pages reach up to `usedBytes` (asked for only when it matters).
 * @throws NoSpaceError, with the file as it was.
 */
export async function setRoomAside(path: string, usedBytes: () => number, { addedBytes, copiedBytes, frees }: RoomNeeded): Promise<void> {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize > plentyBytes + addedBytes + copiedBytes) return;
  const { size } = await stat(path);
  const used = usedBytes();
  const needed = used + addedBytes + Math.min(copiedBytes, used);
  const wanted = needed + reserveBytes;
  if (size >= wanted) return;
  const file = await open(path, 'r+');
  try {
    for (let at = size; at < wanted; ) at += (await file.write(zeros, 0, Math.min(zeros.length, wanted - at), at)).bytesWritten;
  } catch (error) {
    await file.truncate(size);
    if (!isNoSpace(error)) throw error;
    if (!frees || size < needed) throw noSpace(path, error);
  } finally {
    await file.close();
  }
}
