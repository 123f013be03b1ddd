import { expect, test } from 'vitest';
import { joined, pieceOf } from '../representation/pieces.ts';
import { fillSlab } from './slabs.ts';

test.each([1, 3, 4, 7, 100])('pieces come out as they went in through slabs of %i bytes', (size) => {
  const pieces = ['', 'abc', 'd', '', 'efghijklmn', 'op', ''].map((text, from) => pieceOf(Buffer.from('-'.repeat(from) + text), from));
  const cursor = { piece: 0, offset: 0 };
  const slab = Buffer.alloc(size);
  let out = '';
  for (;;) {
    const filled = fillSlab(slab, pieces, cursor);
    if (filled === 0) break;
    out += slab.toString('utf8', 0, filled);
  }
  expect([out, joined(pieces).toString()]).toEqual(['abcdefghijklmnop', 'abcdefghijklmnop']);
});
