import type { Clock } from '../../time/index.ts';

/** Answers of the API server for a while, so that not every request asks; the oldest go where there are too many. */
export function expiringCache<T>(clock: Clock, ttlMs: (value: T) => number, maxEntries = 1024) {
  const entries = new Map<string, { until: number; value: Promise<T> }>();
  return async (key: string, ask: () => Promise<T>): Promise<T> => {
    const known = entries.get(key);
    if (known !== undefined && known.until > clock.monotonic()) return known.value;
    const value = ask();
    const entry = { until: Number.POSITIVE_INFINITY, value };
    entries.delete(key);
    entries.set(key, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= maxEntries) break;
      entries.delete(oldest);
    }
    try {
      entry.until = clock.monotonic() + ttlMs(await value);
    } catch (error) {
      // A failure is nobody's answer.
      if (entries.get(key) === entry) entries.delete(key);
      throw error;
    }
    return value;
  };
}
