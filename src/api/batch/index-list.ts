/** Lists of completion indexes as text: `1,3-5`. */

/**
 * The intervals that the text names, both ends in it.
 * @throws RangeError that says what is wrong, in upstream's words.
 */
export function readIndexes(text: string, completions: number): [from: number, to: number][] {
  if (text === '') return [];
  let last = -1;
  const read = (part: string) => {
    if (!/^[+-]?\d+$/.test(part)) throw new RangeError(`cannot convert string to integer for index: ${JSON.stringify(part)}`);
    const index = Number(part);
    if (index >= completions) throw new RangeError(`too large index: ${JSON.stringify(part)}`);
    if (index <= last) throw new RangeError(`non-increasing order, previous: ${last}, current: ${index}`);
    last = index;
    return index;
  };
  return text.split(',').map((interval) => {
    const parts = interval.split('-');
    if (parts.length > 2)
      throw new RangeError(
        `the fragment ${JSON.stringify(interval)} violates the requirement that an index interval can have at most two parts separated by '-'`,
      );
    const [first = '', end] = parts;
    const from = read(first);
    return [from, end === undefined ? from : read(end)];
  });
}

/** How many indexes the text names. */
export function countIndexes(text: string, completions: number): number {
  return readIndexes(text, completions).reduce((total, [from, to]) => total + to - from + 1, 0);
}

/** The intervals of the text that can be read. */
function readableIndexes(text: string, completions: number): [from: number, to: number][] {
  return text.split(',').flatMap((interval) => {
    try {
      return readIndexes(interval, completions);
    } catch (error) {
      if (error instanceof RangeError) return [];
      throw error;
    }
  });
}

/** The first index that both texts name; what cannot be read, such as indexes from before there were fewer completions, is no matter. */
export function firstCommonIndex(a: string, b: string, completions: number): number | undefined {
  const others = readableIndexes(b, completions);
  for (const [from, to] of readableIndexes(a, completions)) {
    const met = others.find(([start, end]) => start <= to && from <= end);
    if (met) return Math.max(from, met[0]);
  }
  return undefined;
}
