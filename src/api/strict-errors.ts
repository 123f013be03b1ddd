import { keyPositions } from './json-text.ts';

/** What is wrong with a body beside its values. */
export interface StrictProblems {
  /** Paths of fields that the type does not have. */
  unknown: readonly string[];
  /** Paths of values in which nobody looks for repeated keys. */
  opaque?: readonly string[] | undefined;
  /** Paths of keys that JSON repeats. */
  duplicates?: readonly string[] | undefined;
  /** What a YAML parser says of keys that are repeated. */
  repeated?: string | undefined;
  /** The body as JSON. */
  text?: (() => string) | undefined;
}

/** In upstream's words, in the order in which its decoder comes upon them: that of the body. Of unknown fields repetitions are not told. */
export function strictErrors({ unknown, opaque = [], duplicates = [], repeated, text }: StrictProblems): string[] {
  if (unknown.length === 0 && duplicates.length === 0 && repeated === undefined) return [];
  const isUnknown = new Set(unknown);
  const skipped = [...unknown, ...opaque];
  const isSkipped = (path: string) => skipped.some((outer) => path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`));
  const known = duplicates.filter((path) => !isUnknown.has(path) && !isSkipped(path));
  const fields = [
    ...known.map((path) => ({ path, occurrence: 1, what: 'duplicate' })),
    ...unknown.map((path) => ({ path, occurrence: 0, what: 'unknown' })),
  ];
  if (text && fields.length > 1) {
    const positions = keyPositions(text());
    const at = ({ path, occurrence }: { path: string; occurrence: number }) =>
      positions.get(path)?.[occurrence] ?? Number.POSITIVE_INFINITY;
    fields.sort((a, b) => at(a) - at(b) || 0);
  }
  return [...(repeated === undefined ? [] : [repeated]), ...fields.map(({ path, what }) => `${what} field ${JSON.stringify(path)}`)];
}
