/**
 * Order of keys by their UTF-8 bytes, as every engine sorts them. JavaScript's `<` compares UTF-16 units, which differs where a
 * character beyond U+FFFF meets one from U+E000 to U+FFFF.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return byteRank(x) - byteRank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for characters beyond U+FFFF, so they sort last. */
function byteRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** The index of the first element that is not before `key`: where it is, or where it belongs. */
export function lowerBound<T>(sorted: readonly T[], key: string, keyOf: (element: T) => string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    // In range by construction.
    if (compareKeys(keyOf(sorted[middle] as T), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
