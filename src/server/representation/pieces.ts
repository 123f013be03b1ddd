/** What is sent, in the pieces that it lies in. */

/** The bytes of a buffer from an offset on: a view of each item of a list would cost more than what copies them. */
export interface Piece {
  readonly bytes: Buffer;
  readonly from: number;
}

export const pieceOf = (bytes: Buffer, from = 0): Piece => ({ bytes, from });

export function sizeOf(pieces: readonly Piece[]): number {
  let size = 0;
  for (const { bytes, from } of pieces) size += bytes.length - from;
  return size;
}

export function joined(pieces: readonly Piece[], size = sizeOf(pieces)): Buffer {
  const whole = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { bytes, from } of pieces) at += bytes.copy(whole, at, from);
  return whole;
}
