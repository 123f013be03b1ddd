/** What a priority level would have liked to use, over a period. */
export interface Demands {
  highest: number;
  average: number;
  deviation: number;
  /** Follows rises at once and falls slowly. */
  smoothed: number;
}

/** How many seats a priority level would have liked to use, over a period. */
export class DemandStatistics {
  #current = 0;
  #sinceMs: number;
  #atMs: number;
  #highest = 0;
  /** Integrals over time of the demand and of its square. */
  #sum = 0;
  #squares = 0;
  /** Of the last period that has ended. */
  last: Demands = { highest: 0, average: 0, deviation: 0, smoothed: 0 };

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
    this.#atMs = nowMs;
  }

  record(seats: number, nowMs: number): void {
    const elapsed = nowMs - this.#atMs;
    this.#sum += this.#current * elapsed;
    this.#squares += this.#current * this.#current * elapsed;
    this.#atMs = nowMs;
    this.#current = seats;
    if (seats > this.#highest) this.#highest = seats;
  }

  /** Ends the period; the next one begins. */
  period(nowMs: number): Demands {
    this.record(this.#current, nowMs);
    const elapsed = nowMs - this.#sinceMs;
    const highest = this.#highest;
    if (elapsed > 0) {
      const average = this.#sum / elapsed;
      const deviation = Math.sqrt(Math.max(0, this.#squares / elapsed - average * average));
      const envelope = average + deviation;
      const smoothed = Math.max(envelope, smoothing * this.last.smoothed + (1 - smoothing) * envelope);
      this.last = { highest, average, deviation, smoothed };
    } else this.last = { ...this.last, highest };
    this.#sinceMs = nowMs;
    this.#highest = this.#current;
    this.#sum = 0;
    this.#squares = 0;
    return this.last;
  }
}

/** Of the smoothed demand, kept from one period to the next (upstream's seatDemandSmoothingCoefficient). */
const smoothing = 0.977;
