import type { FileHandle } from 'node:fs/promises';
import { endsLine } from './cri-log.ts';

const blockBytes = 64 * 1024;
const lineFeed = 0x0a;

/** Where the file's last `lines` lines begin. Reads backwards, no more than it must. */
export async function tailOffset(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines <= 0) return size;
  let seen = 0;
  let end = size;
  /** The beginning of an entry whose own beginning is not read yet. */
  let carry = Buffer.alloc(0);
  while (end > 0) {
    const start = Math.max(0, end - blockBytes);
    const block = Buffer.alloc(end - start);
    await file.read(block, 0, block.length, start);
    const bytes = Buffer.concat([block, carry]);
    let entryEnd = bytes.length;
    for (let at = bytes.lastIndexOf(lineFeed, entryEnd - 1); at >= 0; at = at > 0 ? bytes.lastIndexOf(lineFeed, at - 1) : -1) {
      const entry = bytes.subarray(at + 1, entryEnd);
      entryEnd = at;
      if (entry.length === 0) continue;
      // The last entry counts as a line even where it is to go on.
      if (endsLine(entry) || seen === 0) seen++;
      if (seen > lines) return start + at + 1 + entry.length + 1;
    }
    carry = bytes.subarray(0, entryEnd);
    end = start;
    if (end === 0 && carry.length > 0 && (endsLine(carry) || seen === 0) && ++seen > lines) return carry.length + 1;
  }
  return 0;
}
