/** How long a failing thing waits before it is tried again: 10 s, doubling, forgotten after twice the longest wait. */
import type { Clock } from '../../time/index.ts';

export interface BackOff {
  /** Milliseconds left to wait at `clock.now()`, counted from the last failure at `sinceMs`; 0: go on. */
  remaining(id: string, sinceMs: number): number;
  /** The whole present wait. */
  current(id: string): number;
  /** Notes a failure at `sinceMs`: the next wait is longer. */
  next(id: string, sinceMs: number): void;
  reset(id: string): void;
  /** Forgets all ids that begin so. */
  forget(prefix: string): void;
}

export function backOff(clock: Clock, initialMs: number, maxMs: number): BackOff {
  const entries = new Map<string, { waitMs: number; atMs: number }>();
  const expired = (entry: { atMs: number }, sinceMs: number) => sinceMs - entry.atMs > 2 * maxMs;
  return {
    remaining(id, sinceMs) {
      const entry = entries.get(id);
      if (!entry || expired(entry, sinceMs)) return 0;
      return Math.max(0, sinceMs + entry.waitMs - clock.now());
    },
    current: (id) => entries.get(id)?.waitMs ?? 0,
    next(id, sinceMs) {
      const entry = entries.get(id);
      const waitMs = !entry || expired(entry, sinceMs) ? initialMs : Math.min(maxMs, entry.waitMs * 2);
      entries.set(id, { waitMs: Math.min(waitMs, maxMs), atMs: clock.now() });
    },
    reset: (id) => void entries.delete(id),
    forget(prefix) {
      for (const id of entries.keys()) if (id.startsWith(prefix)) entries.delete(id);
    },
  };
}
