import { compareKeys, lowerBound } from './key-order.ts';

/** A chunk that grows beyond this is halved: what an insertion moves. */
const chunkSize = 512;

/** Things in the byte order of their keys, one of each key, in chunks, so that one more among a million moves a few hundred. */
export class SortedList<T> {
  /** None is empty. */
  readonly #chunks: T[][] = [];
  readonly #keyOf: (thing: T) => string;

  constructor(keyOf: (thing: T) => string) {
    this.#keyOf = keyOf;
  }

  clear(): void {
    this.#chunks.length = 0;
  }

  /** The last chunk that does not begin after the key; -1 where all do. */
  #chunkOf(key: string): number {
    const at = lowerBound(this.#chunks, key, this.#keyOfChunk);
    const begins = this.#chunks[at];
    return begins !== undefined && this.#keyOfChunk(begins) === key ? at : at - 1;
  }

  readonly #keyOfChunk = (chunk: readonly T[]) => this.#keyOf(chunk[0] as T);

  /** In the place of what has its key, if there is something. */
  set(thing: T): void {
    const key = this.#keyOf(thing);
    const at = Math.max(0, this.#chunkOf(key));
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push([thing]);
      return;
    }
    const place = lowerBound(chunk, key, this.#keyOf);
    const there = chunk[place];
    if (there !== undefined && this.#keyOf(there) === key) {
      chunk[place] = thing;
      return;
    }
    if (place === chunk.length) chunk.push(thing);
    else chunk.splice(place, 0, thing);
    // What comes in order leaves full chunks behind.
    if (chunk.length > chunkSize) this.#chunks.splice(at + 1, 0, chunk.splice(place === chunk.length - 1 ? place : chunk.length >>> 1));
  }

  delete(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (!chunk) return;
    const place = lowerBound(chunk, key, this.#keyOf);
    const there = chunk[place];
    if (there === undefined || this.#keyOf(there) !== key) return;
    if (chunk.length === 1) this.#chunks.splice(at, 1);
    else chunk.splice(place, 1);
  }

  /** Those whose keys begin with `prefix` and are not before `start`, in order. */
  *below(prefix: string, start: string = prefix): Generator<T, undefined> {
    for (const { chunk, from, to } of this.#stretches(prefix, start)) for (let i = from; i < to; i++) yield chunk[i] as T;
    return undefined;
  }

  /** How many those are. */
  countBelow(prefix: string, start: string = prefix): number {
    let count = 0;
    for (const { from, to } of this.#stretches(prefix, start)) count += to - from;
    return count;
  }

  /** Where they lie. Most chunks that have some have nothing else, which their last key tells. */
  *#stretches(prefix: string, notBefore: string): Generator<{ chunk: readonly T[]; from: number; to: number }, undefined> {
    const start = compareKeys(notBefore, prefix) < 0 ? prefix : notBefore;
    const first = Math.max(0, this.#chunkOf(start));
    for (let at = first; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] as T[];
      const from = at === first ? lowerBound(chunk, start, this.#keyOf) : 0;
      let to = chunk.length;
      if (from < to && !this.#keyOf(chunk[to - 1] as T).startsWith(prefix)) {
        to = from;
        while (this.#keyOf(chunk[to] as T).startsWith(prefix)) to++;
      }
      if (from < to) yield { chunk, from, to };
      // A first chunk may end before the start.
      if (to < chunk.length) break;
    }
    return undefined;
  }
}
