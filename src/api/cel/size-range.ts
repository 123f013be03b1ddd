/**
 * Estimated sizes and costs: from the least to the most. Past all counting is Infinity, where upstream stays at its largest integer
 * (google/cel-go/checker/cost.go).
 */
export interface SizeRange {
  readonly min: number;
  readonly max: number;
}

export const range = (min: number, max = min): SizeRange => ({ min, max });

export const nothing = range(0);
export const unknownSize = range(0, Number.POSITIVE_INFINITY);

/** Nothing of anything is nothing. */
export const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

export const sum = (...ranges: readonly SizeRange[]): SizeRange => ({
  min: ranges.reduce((total, { min }) => total + min, 0),
  max: ranges.reduce((total, { max }) => total + max, 0),
});

export const product = (a: SizeRange, b: SizeRange): SizeRange => range(times(a.min, b.min), times(a.max, b.max));

export const union = (a: SizeRange, b: SizeRange): SizeRange => range(Math.min(a.min, b.min), Math.max(a.max, b.max));

/** A size as a cost, rounded up. */
export const costOf = ({ min, max }: SizeRange, perUnit: number): SizeRange =>
  range(Math.ceil(times(min, perUnit)), Math.ceil(times(max, perUnit)));

/** What looking at one character costs. */
export const perCharacter = 0.1;
/** What one character of a regular expression costs. */
export const perPatternCharacter = 0.25;
