import type { KubeObject } from '../../api/index.ts';
import type { CachedObject } from './cached-object.ts';
import type { Change } from './change.ts';
import type { StorageWatchEvent } from './storage.ts';

type Events<T extends KubeObject> = readonly StorageWatchEvent<T>[];

/** A channel looks for what everybody has taken whenever it has grown by so much. */
const trimmedEvery = 64;

/** What watchers of one selection are told: each change is looked at once for all of them, and they get the same batches. */
class Channel<T extends KubeObject> {
  readonly members = new Set<Watcher<T>>();
  readonly #accepts: (object: CachedObject<T>) => boolean;
  #events: StorageWatchEvent<T>[] = [];
  /** How many there were before the first that is held. */
  #begin = 0;
  readonly #capacity: number;
  #trimAt: number;
  /** In an array, not a Set, of which V8 would keep what it has been. */
  #waiting: Watcher<T>[] = [];
  /** What was taken last: whoever is as far gets the same. */
  #taken: { from: number; to: number; events: Events<T> } | undefined;

  constructor(accepts: (object: CachedObject<T>) => boolean, capacity: number) {
    this.#accepts = accepts;
    this.#capacity = capacity;
    this.#trimAt = this.#nextTrim();
  }

  get end(): number {
    return this.#begin + this.#events.length;
  }

  offer(change: Change<T>): void {
    const event = change.seenBy(this.#accepts);
    if (event === undefined) return;
    this.#events.push(event);
    if (this.#events.length >= this.#trimAt) this.#trim();
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const watcher of waiting) {
      watcher.isWaiting = false;
      watcher.wake();
    }
  }

  /** The watcher is woken by the next event. */
  wait(watcher: Watcher<T>): void {
    // It may still be there: something else has woken it then.
    if (watcher.isWaiting) return;
    watcher.isWaiting = true;
    this.#waiting.push(watcher);
  }

  leave(watcher: Watcher<T>): void {
    this.members.delete(watcher);
    if (!watcher.isWaiting) return;
    watcher.isWaiting = false;
    // Their order means nothing, and many may leave at once.
    const last = this.#waiting.pop();
    if (last !== undefined && last !== watcher) this.#waiting[this.#waiting.indexOf(watcher)] = last;
  }

  after(position: number): Events<T> {
    const to = this.end;
    if (this.#taken?.from !== position || this.#taken.to !== to)
      this.#taken = { from: position, to, events: this.#events.slice(position - this.#begin) };
    return this.#taken.events;
  }

  /** As soon as the slowest has too much before it. */
  #nextTrim(): number {
    const { length } = this.#events;
    return Math.min(length + trimmedEvery, Math.max(length, this.#capacity) + 1);
  }

  /** Forgets what everybody has taken, and cuts off who has not taken too much. */
  #trim(): void {
    let slowest = this.end;
    for (const watcher of this.members) {
      watcher.checkPace(this.end);
      slowest = Math.min(slowest, watcher.position);
    }
    this.#events = this.#events.slice(slowest - this.#begin);
    this.#begin = slowest;
    this.#taken = undefined;
    this.#trimAt = this.#nextTrim();
  }
}

export interface WatcherOptions<T extends KubeObject> {
  /** Which changes it is asked about at all: see WatchCache. */
  scope: string;
  /** Watchers with the same scope and selection accept the same. Undefined where its selection has no name. */
  selection: string | undefined;
  accepts: (object: CachedObject<T>) => boolean;
  wantsBookmarks: boolean;
  /** Changes up to here are not for it. */
  afterRevision: number;
  /** With more events waiting than this it is cut off, rather than that they be kept for it. */
  capacity: number;
  /** Told when it is. */
  cutOff?: (() => void) | undefined;
}

export class Watcher<T extends KubeObject> {
  readonly wantsBookmarks: boolean;
  /** How many of its channel's events it has taken. */
  position: number;
  /** Whether its channel is to wake it: the channel's own. */
  isWaiting = false;
  readonly #channel: Channel<T>;
  readonly #afterRevision: number;
  readonly #capacity: number;
  readonly #cutOff: (() => void) | undefined;
  #bookmark: Events<T> | undefined;
  /** What waited when it was ended. */
  #rest: Events<T> = [];
  #wake: (() => void) | undefined;
  #isEnded = false;

  /** Made by `Watchers`. */
  constructor(channel: Channel<T>, options: WatcherOptions<T>) {
    this.#channel = channel;
    this.position = channel.end;
    this.wantsBookmarks = options.wantsBookmarks;
    this.#afterRevision = options.afterRevision;
    this.#capacity = options.capacity;
    this.#cutOff = options.cutOff;
  }

  bookmark(revision: number): void {
    // A reader that still has events to read needs no bookmark.
    if (this.#isEnded || this.position < this.#channel.end || revision < this.#afterRevision) return;
    this.#bookmark = [{ type: 'BOOKMARK', revision, initialEventsEnd: false }];
    this.wake();
  }

  /** No more events; those that wait are still read. */
  end(): void {
    if (this.#isEnded) return;
    this.#rest = this.#taken();
    this.#isEnded = true;
    this.#channel.leave(this);
    this.wake();
  }

  wake(): void {
    this.#wake?.();
  }

  /** Cut off where so many events wait: it ends, as upstream's, and whoever comes back from where it was misses nothing. */
  checkPace(channelEnd: number): void {
    if (channelEnd - this.position <= this.#capacity) return;
    this.position = channelEnd;
    this.#cutOff?.();
    this.end();
  }

  /** All events that wait, at least one; undefined at the end. */
  async take(): Promise<Events<T> | undefined> {
    for (;;) {
      const bookmark = this.#bookmark;
      this.#bookmark = undefined;
      if (bookmark) return bookmark;
      const events = this.#isEnded ? this.#rest : this.#taken();
      this.#rest = [];
      if (events.length > 0) return events;
      if (this.#isEnded) return undefined;
      this.#channel.wait(this);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  #taken(): Events<T> {
    if (this.position === this.#channel.end) return [];
    const events = this.#channel.after(this.position);
    this.position += events.length;
    const [first] = events;
    const isAhead = first !== undefined && first.type !== 'BOOKMARK' && first.item.revision <= this.#afterRevision;
    return isAhead ? events.filter((event) => event.type !== 'BOOKMARK' && event.item.revision > this.#afterRevision) : events;
  }
}

/** Watchers by what they watch, so that a change is offered only to those that it may concern. */
export class Watchers<T extends KubeObject> {
  /** By scope, then by selection. */
  readonly #channels = new Map<string, Map<string | symbol, Channel<T>>>();
  readonly #places = new Map<Watcher<T>, { scope: string; selection: string | symbol; channel: Channel<T> }>();
  #withBookmarks = 0;

  get withBookmarks(): number {
    return this.#withBookmarks;
  }

  add(options: WatcherOptions<T>): Watcher<T> {
    const { scope, selection = Symbol('a selection of its own'), accepts, wantsBookmarks, capacity } = options;
    const channels = this.#channels.get(scope) ?? new Map<string | symbol, Channel<T>>();
    this.#channels.set(scope, channels);
    const channel = channels.get(selection) ?? new Channel(accepts, capacity);
    channels.set(selection, channel);
    const watcher = new Watcher(channel, options);
    channel.members.add(watcher);
    this.#places.set(watcher, { scope, selection, channel });
    if (wantsBookmarks) this.#withBookmarks++;
    return watcher;
  }

  remove(watcher: Watcher<T>): void {
    const place = this.#places.get(watcher);
    if (!place) return;
    const { scope, selection, channel } = place;
    this.#places.delete(watcher);
    channel.leave(watcher);
    if (watcher.wantsBookmarks) this.#withBookmarks--;
    const channels = this.#channels.get(scope);
    if (channel.members.size > 0 || channels?.get(selection) !== channel) return;
    channels.delete(selection);
    if (channels.size === 0) this.#channels.delete(scope);
  }

  offer(change: Change<T>, scopes: Iterable<string>): void {
    if (this.#channels.size === 0) return;
    for (const scope of scopes) {
      const channels = this.#channels.get(scope);
      if (channels) for (const channel of channels.values()) channel.offer(change);
    }
  }

  [Symbol.iterator](): Iterator<Watcher<T>> {
    return this.#places.keys();
  }
}
