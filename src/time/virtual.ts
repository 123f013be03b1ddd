import { type Clock, type Random, sleepWith, type Timer } from './clock.ts';

/** A clock that stands still until it is told to move: timers fire in order of their due time while it advances. */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #sequence = 0;
  readonly #timers = new Map<number, { dueMs: number; fire: () => void }>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const id = this.#sequence++;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), fire });
    return { cancel: () => void this.#timers.delete(id) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, delayMs, signal);
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time forward, firing what falls due and letting promises settle between timers. */
  async advance(byMs: number): Promise<void> {
    const end = this.#nowMs + byMs;
    for (;;) {
      await settle();
      const next = this.#next();
      if (!next || next.dueMs > end) break;
      this.#timers.delete(next.id);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fire();
    }
    this.#nowMs = end;
    await settle();
  }

  #next(): { id: number; dueMs: number; fire: () => void } | undefined {
    let best: { id: number; dueMs: number; fire: () => void } | undefined;
    for (const [id, t] of this.#timers) if (!best || t.dueMs < best.dueMs || (t.dueMs === best.dueMs && id < best.id)) best = { id, ...t };
    return best;
  }
}

/** Lets all promise callbacks that are ready run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A repeatable stream of numbers (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    },
  };
}
