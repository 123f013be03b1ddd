import type { Clock, Random } from '../time/index.ts';

export interface BackoffOptions {
  initialMs: number;
  maxMs: number;
  factor?: number;
  /** Each delay is lengthened by up to this share of itself, so that many clients do not come back at once. */
  jitter?: number;
  /** Start over after this long without a failure. */
  resetAfterMs?: number;
}

/** Delays that grow with each failure in a row. */
export function createBackoff(clock: Clock, random: Random, options: BackoffOptions): { next(): number; reset(): void } {
  const { initialMs, maxMs, factor = 2, jitter = 1, resetAfterMs } = options;
  let base = initialMs;
  let last = clock.monotonic();
  return {
    next() {
      const now = clock.monotonic();
      if (resetAfterMs !== undefined && now - last > resetAfterMs) base = initialMs;
      last = now;
      const delay = base * (1 + random.next() * jitter);
      base = Math.min(base * factor, maxMs);
      return delay;
    },
    reset() {
      base = initialMs;
    },
  };
}
