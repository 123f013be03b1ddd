/**
 * The one store watch that all resources' caches share: every cache has seen the same revision, so a consistent read of any of them
 * waits for a number, and an idle cluster has one sleeping reader instead of one for each kind.
 */
import type { Logger } from 'pino';
import { type Store, StoreClosedError, type StoreEvent } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';

export interface FeedSubscriber {
  /** Events below the subscriber's prefix, in order, of whole revisions. */
  apply(events: readonly StoreEvent[]): void;
  /** Events may have been missed: everything must be read anew. */
  lost(): void;
  /** The store has closed. */
  end(): void;
}

/** What a cache follows: the store's events, and how far they have been told. */
export interface Feed {
  /** The subscriber has been given everything up to here. */
  readonly revision: number;
  /** Resolves when events after `revision` are being delivered. */
  subscribe(prefix: string, subscriber: FeedSubscriber): Promise<void>;
  unsubscribe(prefix: string): void;
  /** Calls `resolve` when `revision` has been seen, unless cancelled. */
  whenSeen(revision: number, resolve: () => void): { cancel(): void };
  /** Resolves when the feed delivers (again). */
  started(): Promise<void>;
}

const retryMs = 1000;

export class RevisionFeed implements Feed {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #subscribers = new Map<string, FeedSubscriber>();
  #waiting: { revision: number; resolve: () => void }[] = [];
  #running: Promise<void> | undefined;
  #stop = new AbortController();
  #started = Promise.withResolvers<void>();
  /** All subscribers have been given everything up to here. */
  revision = 0;

  constructor(store: Store, clock: Clock, logger: Logger | undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  subscribe(prefix: string, subscriber: FeedSubscriber): Promise<void> {
    if (this.#subscribers.has(prefix)) throw new Error(`two storages share the key prefix ${prefix}`);
    this.#subscribers.set(prefix, subscriber);
    if (!this.#running) {
      this.#stop = new AbortController();
      this.#started = Promise.withResolvers();
      this.#running = this.#run(this.#stop.signal);
    }
    return this.#started.promise;
  }

  unsubscribe(prefix: string): void {
    this.#subscribers.delete(prefix);
    if (this.#subscribers.size > 0) return;
    this.#stop.abort();
    this.#running = undefined;
  }

  whenSeen(revision: number, resolve: () => void): { cancel(): void } {
    const waiter = { revision, resolve };
    if (this.revision >= revision) resolve();
    else this.#waiting.push(waiter);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((w) => w !== waiter);
      },
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const revision = await this.#store.revision();
        this.#advance(revision);
        this.#started.resolve();
        for await (const batch of this.#store.watch('/', { fromRevision: revision + 1, signal })) {
          this.#deliver(batch.events);
          this.#advance(batch.revision);
        }
        if (!signal.aborted) for (const subscriber of this.#subscribers.values()) subscriber.end();
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof StoreClosedError) {
          for (const subscriber of this.#subscribers.values()) subscriber.end();
          return;
        }
        this.#logger?.warn({ err: error }, 'lost the watch of the store; reading everything anew');
        this.#started = Promise.withResolvers();
        for (const subscriber of this.#subscribers.values()) subscriber.lost();
        await this.#clock.sleep(retryMs, signal).catch(() => {});
      }
    }
  }

  started(): Promise<void> {
    return this.#started.promise;
  }

  #deliver(events: readonly StoreEvent[]): void {
    if (events.length === 0) return;
    const groups = new Map<FeedSubscriber, StoreEvent[]>();
    for (const event of events) {
      const subscriber = this.#subscriberOf(event.key);
      if (!subscriber) continue;
      const group = groups.get(subscriber);
      if (group) group.push(event);
      else groups.set(subscriber, [event]);
    }
    for (const [subscriber, group] of groups) subscriber.apply(group);
  }

  /** Prefixes have two to four segments: `/registry/pods`, `/registry/services/specs`, `/registry/stable.example.com/crontabs`. */
  #subscriberOf(key: string): FeedSubscriber | undefined {
    for (let slash = key.indexOf('/', 1); slash >= 0; slash = key.indexOf('/', slash + 1)) {
      const subscriber = this.#subscribers.get(key.slice(0, slash));
      if (subscriber) return subscriber;
    }
    return undefined;
  }

  #advance(revision: number): void {
    this.revision = Math.max(this.revision, revision);
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (waiter.revision <= this.revision) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }
}

const feeds = new WeakMap<Store, RevisionFeed>();

/** The feed of a store, made with the first resource that asks. */
export function feedOf(store: Store, clock: Clock, logger: Logger | undefined): RevisionFeed {
  let feed = feeds.get(store);
  if (!feed) {
    feed = new RevisionFeed(store, clock, logger);
    feeds.set(store, feed);
  }
  return feed;
}
