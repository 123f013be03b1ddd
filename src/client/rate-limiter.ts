import type { Clock } from '../time/index.ts';

/** Says how long a key waits before it is tried again. */
export interface RateLimiter {
  /** Milliseconds until the key's next try; counts a failure. */
  when(key: string): number;
  /** The key has succeeded. */
  forget(key: string): void;
  /** Failures since the last success. */
  requeues(key: string): number;
}

/** `initialMs` doubled with each failure of the key, up to `maxMs`. */
export function exponentialRateLimiter(initialMs = 5, maxMs = 1_000_000): RateLimiter {
  const failures = new Map<string, number>();
  return {
    when(key) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      return Math.min(initialMs * 2 ** count, maxMs);
    },
    forget: (key) => void failures.delete(key),
    requeues: (key) => failures.get(key) ?? 0,
  };
}

/** A token bucket over all keys. */
export function bucketRateLimiter(clock: Clock, ratePerSecond = 10, burst = 100): RateLimiter {
  const bucket = createTokenBucket(clock, ratePerSecond, burst);
  return { when: () => bucket.reserve(), forget: () => undefined, requeues: () => 0 };
}

/** The longest of several limiters' delays. */
export function maxOfRateLimiter(...limiters: readonly RateLimiter[]): RateLimiter {
  return {
    when: (key) => Math.max(...limiters.map((l) => l.when(key))),
    forget: (key) => {
      for (const limiter of limiters) limiter.forget(key);
    },
    requeues: (key) => Math.max(...limiters.map((l) => l.requeues(key))),
  };
}

/** What controllers use: 5 ms to 1000 s a key, and 10 per second (burst 100) over all (client-go's DefaultControllerRateLimiter). */
export function controllerRateLimiter(clock: Clock): RateLimiter {
  return maxOfRateLimiter(exponentialRateLimiter(), bucketRateLimiter(clock));
}

export interface TokenBucket {
  /** Takes a token, now or from the future; answers the milliseconds until it is there. */
  reserve(): number;
  /** Takes a token if there is one. */
  tryTake(): boolean;
}

export function createTokenBucket(clock: Clock, ratePerSecond: number, burst: number): TokenBucket {
  let tokens = burst;
  let last = clock.monotonic();
  const refill = () => {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - last) / 1000) * ratePerSecond);
    last = now;
  };
  return {
    reserve() {
      refill();
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens / ratePerSecond) * 1000;
    },
    tryTake() {
      refill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
