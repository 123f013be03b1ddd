/** When those may come back whom a priority level has turned away: the later, the more of them there are (k8s.io/apiserver's dropped requests tracker). */
import type { Clock } from '../../time/index.ts';

const mostSeconds = 32;

export class DroppedRequests {
  readonly #clock: Clock;
  #retryAfter = 1;
  #raisedAt = 0;
  /** The second that is counted now, and those before, the oldest first. */
  #second = 0;
  #count = 0;
  #history: { second: number; count: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one that is turned away; in so many seconds it may try again. */
  record(): number {
    const now = Math.floor(this.#clock.now() / 1000);
    if (now === this.#second) this.#count++;
    else {
      this.#history.push({ second: this.#second, count: this.#count });
      const kept = Math.min(2 * this.#retryAfter, mostSeconds);
      this.#history = this.#history.filter(({ second }) => now - second <= kept);
      this.#second = now;
      this.#count = 1;
      this.#adjust(now);
    }
    return this.#retryAfter;
  }

  /** As TCP does: doubled where many were turned away of late, a second less where hardly any were. */
  #adjust(now: number): void {
    let dropped = 0;
    for (const { second, count } of this.#history) if (now - second <= this.#retryAfter) dropped += count;
    if (now - this.#raisedAt >= this.#retryAfter && dropped >= 3 * this.#retryAfter) {
      this.#retryAfter = Math.min(2 * this.#retryAfter, mostSeconds);
      this.#raisedAt = now;
    } else if (dropped < this.#retryAfter && this.#retryAfter > 1) this.#retryAfter--;
  }
}
