/** How much of a priority level is in use, at every nanosecond (KEP-1040): each state counts for as long as it has lasted. */
import { Buckets } from './buckets.ts';
import { Elapsed } from './elapsed.ts';

const seatBounds = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const requestBounds = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
const demandBounds = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];

export class Usage {
  readonly seats = new Buckets(seatBounds);
  readonly executing = new Buckets(requestBounds);
  readonly waiting = new Buckets(requestBounds);
  readonly demand = new Buckets(demandBounds);
  readonly #elapsed: Elapsed;
  /** As fractions of what there is at most. */
  #seats = 0;
  #executing = 0;
  #waiting = 0;
  #demand = 0;

  constructor(nowMs: number) {
    this.#elapsed = new Elapsed(nowMs);
  }

  /** What has been so has lasted until now. */
  settle(nowMs: number): void {
    const nanoseconds = this.#elapsed.take(nowMs);
    if (nanoseconds === 0) return;
    this.seats.observe(this.#seats, nanoseconds);
    this.executing.observe(this.#executing, nanoseconds);
    this.waiting.observe(this.#waiting, nanoseconds);
    this.demand.observe(this.#demand, nanoseconds);
  }

  /** From now on it is so; `limit`: the level's seats, `places`: those in its queues. */
  change(level: { seatsInUse: number; executing: number; waiting: number }, waitingSeats: number, limit: number, places: number): void {
    const seats = Math.max(limit, 1);
    this.#seats = level.seatsInUse / seats;
    this.#executing = level.executing / seats;
    this.#waiting = level.waiting / Math.max(places, 1);
    this.#demand = (level.seatsInUse + waitingSeats) / seats;
  }
}
