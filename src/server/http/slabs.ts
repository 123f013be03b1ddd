/**
 * What lies in memory in many pieces, as the items of a list, is put together in slabs for writing: a write has its price. Slabs are
 * used again and again: fresh ones would cost page faults, and V8 lets such garbage grow to 64 MB before it looks.
 */
import type { Piece } from '../representation/pieces.ts';

export const slabBytes = 128 * 1024;
/** More than this many are only there while so many long answers are under way. */
const keptSlabs = 32;

const free: Buffer[] = [];

/** Its content is whatever was sent before. */
export function takeSlab(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
}

/** Only when nothing reads it any more. */
export function giveSlab(slab: Buffer): void {
  if (free.length < keptSlabs) free.push(slab);
}

/** A position in a sequence of pieces. */
export interface Cursor {
  piece: number;
  offset: number;
}

/** Copies pieces from the cursor on, as many as fit; moves the cursor; tells how many bytes it has copied. */
export function fillSlab(slab: Buffer, pieces: readonly Piece[], cursor: Cursor): number {
  let filled = 0;
  for (let piece = pieces[cursor.piece]; piece !== undefined && filled < slab.length; piece = pieces[cursor.piece]) {
    const copied = piece.bytes.copy(slab, filled, piece.from + cursor.offset);
    filled += copied;
    cursor.offset += copied;
    if (piece.from + cursor.offset < piece.bytes.length) break;
    cursor.piece++;
    cursor.offset = 0;
  }
  return filled;
}
