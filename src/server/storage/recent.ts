/**
 * What was used last, held for a little while. In the place of weak references where those would be many: V8 keeps what they refer to
 * through every collection of the young generation, so that each of them ends in the old one.
 */
export class Recent<T> {
  readonly #held: (T | undefined)[];
  readonly #forget: (thing: T) => void;
  #next = 0;

  /** The newest `size` things are held; `forget` lets go of what was added before them. */
  constructor(size: number, forget: (thing: T) => void) {
    this.#held = new Array<T | undefined>(size).fill(undefined);
    this.#forget = forget;
  }

  /** Something that is not held already. */
  add(thing: T): void {
    const oldest = this.#held[this.#next];
    this.#held[this.#next] = thing;
    this.#next = (this.#next + 1) % this.#held.length;
    if (oldest !== undefined) this.#forget(oldest);
  }
}
