/** Names in headers are UTF-8, as Go sends and takes them; Node gives and takes headers byte by byte, as Latin-1. */

export const fromHeader = (value: string): string => (/[\x80-\xff]/.test(value) ? Buffer.from(value, 'latin1').toString('utf8') : value);

export const toHeader = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Values by key, in the order they came in. Clients choose the keys: `__proto__` is one like any other. */
export function valuesByKey(pairs: Iterable<readonly [key: string, value: string]>): Record<string, string[]> {
  const groups = Map.groupBy(pairs, ([key]) => key);
  return Object.fromEntries([...groups].map(([key, found]) => [key, found.map(([, value]) => value)]));
}
