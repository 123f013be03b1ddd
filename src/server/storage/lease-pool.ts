/** Leases for objects that expire (Events): as upstream, one lease serves the objects of a minute, at most a thousand of them. */
import type { Store } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';

const reuseMs = 60_000;
const objectsPerLease = 1000;

export class LeasePool {
  readonly #store: Store;
  readonly #clock: Clock;
  #current: { lease: Promise<{ id: number }>; ttlSeconds: number; untilMs: number; objects: number } | undefined;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A lease that lasts at least `ttlSeconds`. */
  async lease(ttlSeconds: number): Promise<number> {
    const now = this.#clock.monotonic();
    let current = this.#current;
    if (!current || current.ttlSeconds !== ttlSeconds || now >= current.untilMs || current.objects >= objectsPerLease) {
      const extraSeconds = Math.min(reuseMs / 1000, Math.ceil(ttlSeconds * 0.05));
      current = { lease: this.#store.grantLease(ttlSeconds + extraSeconds), ttlSeconds, untilMs: now + extraSeconds * 1000, objects: 0 };
      this.#current = current;
    }
    current.objects++;
    try {
      return (await current.lease).id;
    } catch (error) {
      if (this.#current === current) this.#current = undefined;
      throw error;
    }
  }
}
