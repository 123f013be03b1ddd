import type { KubeObject } from '../../api/index.ts';
import { Change, type PastChange } from './change.ts';

/** Changes this recent are kept (k8s.io/apiserver's eventFreshDuration) ... */
const keptMs = 75_000;
/** ... but always so many, and never more than so many. */
const alwaysKept = 100;
const neverMore = 16_384;
/** Of older ones than the newest with so many bytes of objects, only keys and revisions: the store's history has the rest. */
const wholeBytes = 4 * 2 ** 20;

/** The recent changes of a resource, for watches that start from a resourceVersion. */
export class ChangeLog<T extends KubeObject> {
  /** From the head on; what is before it has been let go. */
  #changes: (Change<T> | PastChange | undefined)[] = [];
  #head = 0;
  /** From here on they are whole. */
  #whole = 0;
  /** Of the whole ones. */
  #bytes = 0;
  /** Every change after this revision is here. */
  startRevision: number;

  constructor(startRevision: number) {
    this.startRevision = startRevision;
  }

  /** Beyond those that are always kept it grows with what is recent. */
  get capacity(): number {
    return Math.max(alwaysKept, this.#changes.length - this.#head);
  }

  push(change: Change<T>): void {
    this.#changes.push(change);
    this.#bytes += change.bytes;
    while (this.#bytes > wholeBytes && this.#whole < this.#changes.length - 1) this.#letGo();
    this.prune(change.atMs);
  }

  /** Lets go of what is no longer recent. */
  prune(nowMs: number): void {
    for (;;) {
      const length = this.#changes.length - this.#head;
      const oldest = this.#changes[this.#head];
      if (!oldest || length <= alwaysKept || (length <= neverMore && oldest.atMs > nowMs - keptMs)) break;
      this.startRevision = oldest.revision;
      if (this.#whole === this.#head) this.#letGo();
      this.#changes[this.#head++] = undefined;
    }
    if (this.#head > 256 && this.#head * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#head);
      this.#whole -= this.#head;
      this.#head = 0;
    }
  }

  /** Of the oldest whole one's objects. */
  #letGo(): void {
    const change = this.#changes[this.#whole];
    if (change instanceof Change) {
      this.#bytes -= change.bytes;
      this.#changes[this.#whole] = change.past();
    }
    this.#whole++;
  }

  /** Changes after `revision`, in order. Only complete from `startRevision` on. */
  after(revision: number): (Change<T> | PastChange)[] {
    let low = this.#head;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#changes.slice(low) as (Change<T> | PastChange)[]; // from the head on
  }

  clear(startRevision: number): void {
    this.#changes = [];
    this.#head = 0;
    this.#whole = 0;
    this.#bytes = 0;
    this.startRevision = startRevision;
  }
}
