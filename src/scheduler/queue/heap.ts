/** A binary heap with removal of any item, which it finds by identity. */
export class Heap<T extends object> {
  readonly #items: T[] = [];
  readonly #at = new Map<T, number>();
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return this.#at.has(item);
  }

  values(): Iterable<T> {
    return this.#items;
  }

  push(item: T): void {
    this.#put(this.#items.length, item);
    this.#up(this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first) this.delete(first);
    return first;
  }

  delete(item: T): boolean {
    const at = this.#at.get(item);
    if (at === undefined) return false;
    this.#at.delete(item);
    const last = this.#items.pop();
    if (last && last !== item) {
      this.#put(at, last);
      this.#up(at);
      this.#down(this.#at.get(last) ?? at);
    }
    return true;
  }

  #put(at: number, item: T): void {
    this.#items[at] = item;
    this.#at.set(item, at);
  }

  #up(from: number): void {
    let at = from;
    const item = this.#items[at];
    while (item && at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#items[parentAt];
      if (!parent || !this.#before(item, parent)) break;
      this.#put(at, parent);
      this.#put(parentAt, item);
      at = parentAt;
    }
  }

  #down(from: number): void {
    let at = from;
    const item = this.#items[at];
    for (;;) {
      const left = this.#items[2 * at + 1];
      const right = this.#items[2 * at + 2];
      const child = left && right && this.#before(right, left) ? right : left;
      if (!item || !child || !this.#before(child, item)) return;
      const childAt = this.#at.get(child) ?? 0;
      this.#put(at, child);
      this.#put(childAt, item);
      at = childAt;
    }
  }
}
