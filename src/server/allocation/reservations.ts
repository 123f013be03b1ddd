import type { Random } from '../../time/index.ts';

/**
 * Who holds which values of one kind (addresses, ports). What Services in the store hold is known from the watch; what a write
 * under way has reserved is pending until the watch shows that write, so that two writes at once never get the same value and an
 * event that is older than the write takes nothing away.
 */
export class Reservations {
  readonly #holders = new Map<string, string>();
  readonly #values = new Map<string, ReadonlySet<string>>();
  readonly #pending = new Map<string, string>();

  isFree(value: string, owner: string): boolean {
    const holder = this.#holders.get(value) ?? owner;
    return holder === owner && (this.#pending.get(value) ?? owner) === owner;
  }

  /** Whether anybody at all, the owner included, has it. */
  isTaken(value: string): boolean {
    return this.#holders.has(value) || this.#pending.has(value);
  }

  /** How many values of some sort anybody has. */
  count(matches: (value: string) => boolean): number {
    let count = 0;
    for (const value of this.#holders.keys()) if (matches(value)) count++;
    for (const value of this.#pending.keys()) if (!this.#holders.has(value) && matches(value)) count++;
    return count;
  }

  reserve(value: string, owner: string): void {
    this.#pending.set(value, owner);
  }

  /** The write that reserved it did not happen. */
  giveBack(value: string, owner: string): void {
    if (this.#pending.get(value) === owner) this.#pending.delete(value);
  }

  /** What the owner holds, as the store has it. */
  hold(owner: string, values: Iterable<string>): void {
    const next = new Set(values);
    for (const value of this.#values.get(owner) ?? [])
      if (!next.has(value) && this.#holders.get(value) === owner) this.#holders.delete(value);
    for (const value of next) {
      this.#holders.set(value, owner);
      this.giveBack(value, owner);
    }
    if (next.size === 0) this.#values.delete(owner);
    else this.#values.set(owner, next);
  }

  release(owner: string): void {
    this.hold(owner, []);
  }

  clearHeld(): void {
    this.#holders.clear();
    this.#values.clear();
  }
}

/**
 * A free number in [1, size], at random; from the upper band first, so that the lower one stays free for values that people ask
 * for by name (KEP-3070, KEP-3668). undefined when all are taken.
 */
export function pickFree(size: number, lowerBand: number, random: Random, isTaken: (n: number) => boolean): number | undefined {
  const search = (from: number, to: number): number | undefined => {
    const count = to - from + 1;
    if (count <= 0) return undefined;
    const start = Math.floor(random.next() * count);
    for (let i = 0; i < count; i++) {
      const n = from + ((start + i) % count);
      if (!isTaken(n)) return n;
    }
    return undefined;
  };
  return search(lowerBand + 1, size) ?? search(1, Math.min(lowerBand, size));
}

/** Addresses kept for requests by name: 1/16 of the range, at least 16, at most 256. */
export const addressBand = (size: number) => (size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), 256));
/** Ports kept: 1/32, at least 16, at most 128. */
export const portBand = (size: number) => (size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128));
