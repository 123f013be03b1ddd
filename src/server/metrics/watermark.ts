/** How many there were at most in the last second: what changes too fast for those who look at it now and then. */
import { Gauge, type Registry } from 'prom-client';
import type { Clock } from '../../time/index.ts';

const secondMs = 1000;

export class Watermark {
  #now = 0;
  #most = 0;
  #since = 0;

  change(by: number, atMs: number): void {
    this.#now += by;
    if (atMs - this.#since > secondMs) {
      this.#most = this.#now;
      this.#since = atMs;
    } else if (this.#now > this.#most) this.#most = this.#now;
  }

  most(atMs: number): number {
    this.change(0, atMs);
    return this.#most;
  }
}

/** A gauge of requests that change something and those that do not. */
export function registerWatermarks(
  registry: Registry,
  clock: Clock,
  { name, help, kinds }: { name: string; help: string; kinds(): Readonly<Record<'readOnly' | 'mutating', Watermark>> },
): void {
  new Gauge({
    name,
    help,
    labelNames: ['request_kind'],
    registers: [registry],
    collect() {
      for (const [kind, watermark] of Object.entries(kinds())) this.set({ request_kind: kind }, watermark.most(clock.monotonic()));
    },
  });
}
