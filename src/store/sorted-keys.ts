import { compareKeys, lowerBound } from './key-order.ts';

/** A chunk that grows beyond this is halved: what an insertion moves. */
const chunkKeys = 512;

/** Distinct keys in byte order, in chunks, so that one more among a million moves a few hundred. */
export class SortedKeys {
  /** None is empty. */
  readonly #chunks: string[][] = [];

  #chunkOf(key: string): number {
    // The last chunk that does not begin after the key.
    const at = lowerBound(this.#chunks, key, (chunk) => chunk[0] ?? '');
    return at < this.#chunks.length && this.#chunks[at]?.[0] === key ? at : at - 1;
  }

  add(key: string): void {
    const at = Math.max(0, this.#chunkOf(key));
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(lowerBound(chunk, key, String), 0, key);
    if (chunk.length > chunkKeys) this.#chunks.splice(at + 1, 0, chunk.splice(chunk.length >>> 1));
  }

  delete(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (!chunk) return;
    const place = lowerBound(chunk, key, String);
    if (chunk[place] !== key) return;
    chunk.splice(place, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Those not before `start`. */
  *from(start: string): Generator<string> {
    const first = Math.max(0, this.#chunkOf(start));
    for (let at = first; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] ?? [];
      for (let i = at === first ? lowerBound(chunk, start, String) : 0; i < chunk.length; i++) yield chunk[i] as string;
    }
  }

  /** How many begin with `prefix` and are not before `start`. */
  count(prefix: string, notBefore: string): number {
    const start = compareKeys(notBefore, prefix) < 0 ? prefix : notBefore;
    const first = Math.max(0, this.#chunkOf(start));
    let count = 0;
    for (let at = first; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] ?? [];
      const from = at === first ? lowerBound(chunk, start, String) : 0;
      const last = chunk.at(-1) ?? '';
      if (last.startsWith(prefix)) {
        count += chunk.length - from;
        continue;
      }
      let i = from;
      while (chunk[i]?.startsWith(prefix)) i++;
      count += i - from;
      if (compareKeys(last, start) >= 0) break;
    }
    return count;
  }
}
