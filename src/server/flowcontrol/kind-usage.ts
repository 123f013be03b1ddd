/** How many requests that change something, or that do not, wait and run, at every nanosecond, as fractions of what there may be. */
import { Watermark } from '../metrics/watermark.ts';
import { Buckets } from './buckets.ts';
import { Elapsed } from './elapsed.ts';

const bounds = [0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];

export class KindUsage {
  readonly kind: 'readOnly' | 'mutating';
  readonly waited = new Buckets(bounds);
  readonly executed = new Buckets(bounds);
  /** Those that wait. */
  readonly queued = new Watermark();
  readonly #elapsed: Elapsed;
  #waiting = 0;
  #executing = 0;
  #places = 1;
  #seats = 1;

  constructor(kind: KindUsage['kind'], nowMs: number) {
    this.kind = kind;
    this.#elapsed = new Elapsed(nowMs);
  }

  /** What has been so has lasted until now. */
  settle(nowMs: number): void {
    const nanoseconds = this.#elapsed.take(nowMs);
    if (nanoseconds === 0) return;
    this.waited.observe(this.#waiting / this.#places, nanoseconds);
    this.executed.observe(this.#executing / this.#seats, nanoseconds);
  }

  /** So many more wait and run from now on. */
  add(waiting: number, executing: number, nowMs: number): void {
    this.settle(nowMs);
    this.#waiting += waiting;
    if (waiting !== 0) this.queued.change(waiting, nowMs);
    this.#executing += executing;
  }

  /** `places`: in all queues together. */
  setCapacity(places: number, seats: number, nowMs: number): void {
    this.settle(nowMs);
    this.#places = Math.max(1, places);
    this.#seats = Math.max(1, seats);
  }
}
