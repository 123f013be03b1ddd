import type { Clock } from '../../time/index.ts';

/** What is to happen when a request's time is up. */
export interface Deadline {
  /** How much time was given. */
  readonly givenMs: number;
  readonly dueMs: number;
  readonly expire: () => void;
}

/**
 * The deadlines of all requests, nearly all of which are met: those with equally much time come due in the order of their coming, so
 * one timer for the first of them serves all.
 */
export class Deadlines {
  readonly #clock: Clock;
  /** By the time that was given, in order. */
  readonly #pending = new Map<number, Set<Deadline>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer is what `remove` takes. */
  add(givenMs: number, expire: () => void): Deadline {
    const deadline = { givenMs, dueMs: this.#clock.monotonic() + givenMs, expire };
    const peers = this.#pending.get(givenMs);
    if (peers) peers.add(deadline);
    else {
      this.#pending.set(givenMs, new Set([deadline]));
      this.#arm(givenMs, givenMs);
    }
    return deadline;
  }

  remove(deadline: Deadline): void {
    this.#pending.get(deadline.givenMs)?.delete(deadline);
  }

  #arm(givenMs: number, inMs: number): void {
    this.#clock.setTimer(inMs, () => this.#expire(givenMs), { background: true });
  }

  #expire(givenMs: number): void {
    const peers = this.#pending.get(givenMs) ?? new Set();
    const now = this.#clock.monotonic();
    for (const deadline of peers) {
      if (deadline.dueMs > now) {
        this.#arm(givenMs, deadline.dueMs - now);
        return;
      }
      peers.delete(deadline);
      deadline.expire();
    }
    this.#pending.delete(givenMs);
  }
}
