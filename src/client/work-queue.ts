import type { Clock, Timer } from '../time/index.ts';
import { controllerRateLimiter, type RateLimiter } from './rate-limiter.ts';

/** What a queue reports of itself; `createWorkQueueMetrics` turns it into upstream's workqueue_* metrics. */
export interface WorkQueueObserver {
  added(depth: number): void;
  started(depth: number, waitedSeconds: number): void;
  finished(tookSeconds: number): void;
  retried(): void;
}

export interface WorkQueueOptions {
  clock: Clock;
  rateLimiter?: RateLimiter;
  observer?: WorkQueueObserver | undefined;
}

/**
 * Keys to work on, each once: a key that is added while it waits stays one; a key that is added while somebody works on it
 * comes again after that, so that no two workers ever have the same key. Also adds keys later, and with growing delays.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #limiter: RateLimiter;
  readonly #observer: WorkQueueObserver | undefined;
  /** In the order of arrival, with the time of it. */
  readonly #waiting = new Map<string, number>();
  readonly #processing = new Map<string, number>();
  /** Added again while in `#processing`. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { dueMs: number; timer: Timer }>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #drained: (() => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#limiter = options.rateLimiter ?? controllerRateLimiter(options.clock);
    this.#observer = options.observer;
  }

  /** Keys that wait for a worker, those delayed not counted. */
  get length(): number {
    return this.#waiting.size;
  }

  /** Keys that are being worked on, and for how long, in seconds. */
  running(): number[] {
    const now = this.#clock.monotonic();
    return [...this.#processing.values()].map((since) => (now - since) / 1000);
  }

  add(key: string): void {
    if (this.#closed || this.#waiting.has(key) || this.#again.has(key)) return;
    if (this.#processing.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.set(key, this.#clock.monotonic());
    this.#observer?.added(this.#waiting.size);
    const taker = this.#takers.shift();
    if (taker) taker(this.#take());
  }

  /** Adds the key after `delayMs`; where it is delayed already, the earlier time holds. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const dueMs = this.#clock.monotonic() + delayMs;
    const present = this.#delayed.get(key);
    if (present && present.dueMs <= dueMs) return;
    present?.timer.cancel();
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, timer });
  }

  /** Adds the key after as long as its failures say. */
  addRateLimited(key: string): void {
    this.#observer?.retried();
    this.addAfter(key, this.#limiter.when(key));
  }

  /** Ends the key's growing of delays. */
  forget(key: string): void {
    this.#limiter.forget(key);
  }

  requeues(key: string): number {
    return this.#limiter.requeues(key);
  }

  /** The next key, which is the caller's until `done`; undefined once the queue is shut down and empty. */
  async take(): Promise<string | undefined> {
    if (this.#waiting.size > 0) return this.#take();
    if (this.#closed) return undefined;
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    const since = this.#processing.get(key);
    if (since === undefined) return;
    this.#processing.delete(key);
    this.#observer?.finished((this.#clock.monotonic() - since) / 1000);
    if (this.#again.delete(key)) this.add(key);
    if (this.#processing.size === 0) for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Takes no more keys and drops the delayed ones; workers get what still waits, then undefined. */
  shutDown(): void {
    this.#closed = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#again.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  /** `shutDown`, then waits until nothing is being worked on. */
  async drain(): Promise<void> {
    this.shutDown();
    if (this.#processing.size > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  #take(): string | undefined {
    const first = this.#waiting.entries().next();
    if (first.done) return undefined;
    const [key, since] = first.value;
    this.#waiting.delete(key);
    const now = this.#clock.monotonic();
    this.#processing.set(key, now);
    this.#observer?.started(this.#waiting.size, (now - since) / 1000);
    return key;
  }
}
