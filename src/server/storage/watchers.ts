import type { KubeObject } from '../../api/index.ts';
import { errors } from '../../api/index.ts';
import type { CachedObject } from './cached-object.ts';
import type { Change } from './change.ts';
import type { StorageWatchEvent } from './storage.ts';

/** A watcher's waiting events. Bounded: a reader that is too slow is cut off rather than let the queue grow. */
export class Watcher<T extends KubeObject> {
  /** Which changes it is asked about at all: see `scopesOf`. */
  readonly scope: string;
  readonly accepts: (object: CachedObject<T>) => boolean;
  readonly wantsBookmarks: boolean;
  /** Changes up to here are not for it. */
  readonly #afterRevision: number;
  readonly #capacity: number;
  #queue: StorageWatchEvent<T>[] = [];
  #wake: (() => void) | undefined;
  #end: { error?: Error } | undefined;

  constructor(options: {
    scope: string;
    accepts: (object: CachedObject<T>) => boolean;
    wantsBookmarks: boolean;
    afterRevision: number;
    capacity: number;
  }) {
    this.scope = options.scope;
    this.accepts = options.accepts;
    this.wantsBookmarks = options.wantsBookmarks;
    this.#afterRevision = options.afterRevision;
    this.#capacity = options.capacity;
  }

  offer(change: Change<T>): void {
    if (change.revision <= this.#afterRevision) return;
    const event = change.seenBy(this.accepts);
    if (event) this.push(event);
  }

  push(event: StorageWatchEvent<T>): void {
    if (this.#end) return;
    if (this.#queue.length >= this.#capacity) {
      this.#queue = [];
      this.end(errors.expired('the watch was closed: its reader is too slow and too many events are waiting'));
      return;
    }
    this.#queue.push(event);
    this.#wake?.();
  }

  bookmark(revision: number): void {
    // A reader that still has events to read needs no bookmark.
    if (this.#queue.length === 0 && revision >= this.#afterRevision) this.push({ type: 'BOOKMARK', revision, initialEventsEnd: false });
  }

  /** No more events; those that wait are still read. */
  end(error?: Error): void {
    this.#end ??= error ? { error } : {};
    this.#wake?.();
  }

  /** All events that wait, at least one; undefined at the end. Throws what the watcher was ended with. */
  async take(): Promise<StorageWatchEvent<T>[] | undefined> {
    for (;;) {
      if (this.#queue.length > 0) {
        const events = this.#queue;
        this.#queue = [];
        return events;
      }
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

/** Watchers by what they watch, so that a change is offered only to those that it may concern. */
export class Watchers<T extends KubeObject> {
  readonly #byScope = new Map<string, Set<Watcher<T>>>();
  #withBookmarks = 0;

  get withBookmarks(): number {
    return this.#withBookmarks;
  }

  add(watcher: Watcher<T>): void {
    const peers = this.#byScope.get(watcher.scope);
    if (peers) peers.add(watcher);
    else this.#byScope.set(watcher.scope, new Set([watcher]));
    if (watcher.wantsBookmarks) this.#withBookmarks++;
  }

  remove(watcher: Watcher<T>): void {
    const peers = this.#byScope.get(watcher.scope);
    if (!peers?.delete(watcher)) return;
    if (peers.size === 0) this.#byScope.delete(watcher.scope);
    if (watcher.wantsBookmarks) this.#withBookmarks--;
  }

  offer(change: Change<T>, scopes: Iterable<string>): void {
    if (this.#byScope.size === 0) return;
    for (const scope of scopes) {
      for (const watcher of this.#byScope.get(scope) ?? []) watcher.offer(change);
    }
  }

  *[Symbol.iterator](): Generator<Watcher<T>> {
    for (const peers of this.#byScope.values()) yield* peers;
  }
}
