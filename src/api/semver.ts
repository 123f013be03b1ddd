/** Semantic versions (semver.org 2.0.0), as far as API objects carry them. */

export interface Semver {
  /** Major, minor, patch. */
  readonly numbers: readonly [bigint, bigint, bigint];
  /** `alpha`, `1` of `1.2.3-alpha.1`. */
  readonly prerelease: readonly string[];
}

const number = '(0|[1-9]\\d*)';
const identifier = '(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
const pattern = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${identifier}(?:\\.${identifier})*))?(?:\\+[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*)?$`,
);

export function parseSemver(text: string): Semver | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const [, major = '0', minor = '0', patch = '0', prerelease] = match;
  return { numbers: [BigInt(major), BigInt(minor), BigInt(patch)], prerelease: prerelease?.split('.') ?? [] };
}

const order = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);

function compareIdentifiers(a: string, b: string): number {
  const numeric = [a, b].map((part) => /^\d+$/.test(part));
  if (numeric[0] && numeric[1]) return order(BigInt(a), BigInt(b));
  // Numbers come before words.
  return numeric[0] === numeric[1] ? order(a, b) : numeric[0] ? -1 : 1;
}

/** Negative where `a` comes before `b`. */
export function compareSemver(a: Semver, b: Semver): number {
  for (const i of [0, 1, 2] as const) {
    const difference = order(a.numbers[i], b.numbers[i]);
    if (difference !== 0) return difference;
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return order(b.prerelease.length, a.prerelease.length);
  for (const [i, part] of a.prerelease.entries()) {
    const other = b.prerelease[i];
    if (other === undefined) return 1;
    const difference = compareIdentifiers(part, other);
    if (difference !== 0) return difference;
  }
  return order(a.prerelease.length, b.prerelease.length);
}
