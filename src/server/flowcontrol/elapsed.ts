const nanosecondsPerMs = 1e6;

/** The time between one look at the clock and the next. */
export class Elapsed {
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Whole nanoseconds since it was asked last; where there is none, the next answer has the rest. */
  take(nowMs: number): number {
    const nanoseconds = Math.round((nowMs - this.#sinceMs) * nanosecondsPerMs);
    if (nanoseconds <= 0) return 0;
    this.#sinceMs = nowMs;
    return nanoseconds;
  }
}
