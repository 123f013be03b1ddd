/**
 * When leases end. Deadlines live in memory: after a restart every lease starts its time over, as with a new etcd leader, so that
 * downtime of the store ends nobody's lease.
 */
import type { Clock, Timer } from '../time/index.ts';
import type { LeaseRecord } from './backend.ts';
import { LeaseNotFoundError } from './store.ts';

export class LeaseClock {
  readonly #clock: Clock;
  readonly #expire: (ids: number[]) => void;
  readonly #leases = new Map<number, { ttlSeconds: number; deadlineMs: number }>();
  #timer: { timer: Timer; dueMs: number } | undefined;

  /** `expire` is told of leases that have ended; each is told of once, and stays known until `remove`. */
  constructor(clock: Clock, expire: (ids: number[]) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  has(id: number): boolean {
    return this.#leases.has(id);
  }

  add(lease: LeaseRecord): void {
    this.#leases.set(lease.id, { ttlSeconds: lease.ttlSeconds, deadlineMs: this.#clock.monotonic() + lease.ttlSeconds * 1000 });
    this.#arm();
  }

  keepAlive(id: number): number {
    const lease = this.#leases.get(id);
    if (!lease || lease.deadlineMs <= this.#clock.monotonic() || lease.deadlineMs === Number.POSITIVE_INFINITY)
      throw new LeaseNotFoundError();
    lease.deadlineMs = this.#clock.monotonic() + lease.ttlSeconds * 1000;
    return lease.ttlSeconds;
  }

  remove(id: number): void {
    this.#leases.delete(id);
  }

  list(): { id: number; grantedTtlSeconds: number; remainingTtlSeconds: number }[] {
    const now = this.#clock.monotonic();
    return [...this.#leases].map(([id, { ttlSeconds, deadlineMs }]) => ({
      id,
      grantedTtlSeconds: ttlSeconds,
      remainingTtlSeconds: Math.max(0, Math.ceil((deadlineMs - now) / 1000)),
    }));
  }

  /** Tries again later what could not be ended now. */
  postpone(ids: readonly number[], delayMs: number): void {
    for (const id of ids) {
      const lease = this.#leases.get(id);
      if (lease) lease.deadlineMs = this.#clock.monotonic() + delayMs;
    }
    this.#arm();
  }

  close(): void {
    this.#timer?.timer.cancel();
    this.#leases.clear();
  }

  /** One timer, for the earliest deadline; a lease that was kept alive meanwhile is seen when it fires. */
  #arm(): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const lease of this.#leases.values()) if (lease.deadlineMs < dueMs) dueMs = lease.deadlineMs;
    if (dueMs === Number.POSITIVE_INFINITY || (this.#timer && this.#timer.dueMs <= dueMs)) return;
    this.#timer?.timer.cancel();
    const timer = this.#clock.setTimer(Math.max(0, dueMs - this.#clock.monotonic()), () => this.#fire(), { background: true });
    this.#timer = { timer, dueMs };
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    const ended: number[] = [];
    for (const [id, lease] of this.#leases) {
      if (lease.deadlineMs > now) continue;
      ended.push(id);
      lease.deadlineMs = Number.POSITIVE_INFINITY;
    }
    if (ended.length > 0) this.#expire(ended);
    this.#arm();
  }
}
