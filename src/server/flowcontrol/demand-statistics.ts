export interface DemandPeriod {
  highest: number;
  average: number;
  deviation: number;
  smoothed: number;
}

/** How many seats a priority level would have liked to use, over a period. */
export class DemandStatistics {
  /** Of the period that has ended last. */
  last: DemandPeriod = { highest: 0, average: 0, deviation: 0, smoothed: 0 };
  #current = 0;
  #sinceMs: number;
  #atMs: number;
  #highest = 0;
  /** Integrals over time of the demand and of its square. */
  #sum = 0;
  #squares = 0;
  /** Follows rises at once and falls slowly. */
  smoothed = 0;

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
  period(nowMs: number): DemandPeriod {
    this.record(this.#current, nowMs);
    const elapsed = nowMs - this.#sinceMs;
    const average = elapsed > 0 ? this.#sum / elapsed : this.#current;
    const deviation = elapsed > 0 ? Math.sqrt(Math.max(0, this.#squares / elapsed - average * average)) : 0;
    const highest = this.#highest;
    const envelope = Math.min(highest, average + deviation);
    this.smoothed = Math.max(envelope, smoothing * this.smoothed + (1 - smoothing) * envelope);
    this.#sinceMs = nowMs;
    this.#highest = this.#current;
    this.#sum = 0;
    this.#squares = 0;
    this.last = { highest, average, deviation, smoothed: this.smoothed };
    return this.last;
  }
}

/** Of the smoothed demand, kept from one period to the next (upstream's seatDemandSmoothingCoefficient). */
const smoothing = 0.977;
