import type { Clock } from '../time/index.ts';

/** Answers by key for a while, each asked for once at a time; the oldest go where there are too many, and a failure is nobody's answer. */
export function expiringCache<T>(clock: Pick<Clock, 'monotonic'>, ttlMs: (value: T) => number, maxEntries = 1024) {
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
      if (entries.get(key) === entry) entries.delete(key);
      throw error;
    }
    return value;
  };
}
