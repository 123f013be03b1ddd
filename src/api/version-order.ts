/** Which of two API versions is the better one to have, by their names alone. */
const pattern = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const stability = { alpha: 0, beta: 1, '': 2 };

/** Stable versions first, then beta, then alpha, each the higher the earlier; other names last, by name (version.CompareKubeAwareVersionStrings). */
export function compareVersions(a: string, b: string): number {
  const x = pattern.exec(a);
  const y = pattern.exec(b);
  if (!x || !y) return x ? -1 : y ? 1 : a < b ? -1 : a > b ? 1 : 0;
  // The pattern admits no other words.
  const rank = (m: RegExpExecArray) => stability[(m[2] ?? '') as keyof typeof stability];
  return rank(y) - rank(x) || Number(y[1]) - Number(x[1]) || Number(y[3] ?? 0) - Number(x[3] ?? 0);
}
