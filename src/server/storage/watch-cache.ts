/** The objects of one resource in memory, kept current by the store's feed, with their recent changes and who watches them. */
import type { KubeObject } from '../../api/index.ts';
import { CompactedError, type Store, StoreClosedError, type StoreEvent } from '../../store/index.ts';
import type { Clock, Timer } from '../../time/index.ts';
import type { CachedObject } from './cached-object.ts';
import { Change } from './change.ts';
import { ChangeLog } from './change-log.ts';
import { type FieldPath, ObjectIndex } from './object-index.ts';
import type { Feed } from './revision-feed.ts';
import { TransformationError } from './sealed-values.ts';
import type { StorageObserver } from './storage.ts';
import { tooLargeResourceVersion } from './versions.ts';
import { Watchers } from './watchers.ts';

/** How long a request waits for the cache to reach its resourceVersion (k8s.io/apiserver's blockTimeout). */
const freshnessTimeoutMs = 3000;
const bookmarkPeriodMs = 60_000;
const retryMs = 1000;
const fillPage = 5000;

export interface WatchCacheOptions<T extends KubeObject> {
  store: Store;
  feed: Feed;
  clock: Clock;
  /** Without trailing slash. */
  prefix: string;
  /** Fields that hold strings, as selectors name them. */
  indexes: readonly string[];
  decode: (key: string, revision: number, value: Buffer) => CachedObject<T>;
  observer?: StorageObserver | undefined;
  onFillError: (error: unknown) => void;
}

export class WatchCache<T extends KubeObject> {
  readonly objects: ObjectIndex<T>;
  readonly log = new ChangeLog<T>(0);
  readonly watchers = new Watchers<T>();
  readonly #options: WatchCacheOptions<T>;
  readonly #indexes: readonly FieldPath[];
  /** Events that arrive while the cache is being filled; undefined once it is. */
  #early: StoreEvent[] | undefined = [];
  #filledRevision = 0;
  /** The last revision that changed an object of this resource. */
  lastChange = 0;
  #ready = Promise.withResolvers<void>();
  /** Why the cache can't be filled, where waiting does not help: a value that can't be read. */
  #unreadable: TransformationError | undefined;
  /** Rejects when that turns out. */
  #refusal = Promise.withResolvers<never>();
  #bookmarkTimer: Timer | undefined;
  readonly #closed = new AbortController();

  constructor(options: WatchCacheOptions<T>) {
    this.#options = options;
    this.#indexes = options.indexes.map((field) => ({ field, path: field.split('.') }));
    this.objects = new ObjectIndex(this.#indexes);
    // Whoever waits for the cache is told; nobody has to.
    this.#ready.promise.catch(() => {});
    this.#refusal.promise.catch(() => {});
    const started = options.feed.subscribe(options.prefix, {
      apply: (events) => this.#apply(events),
      lost: () => this.#lost(),
      end: () => this.close(),
    });
    void this.#fill(started);
  }

  /** What the cache shows is the state of the store at this revision. */
  get revision(): number {
    return Math.max(this.#filledRevision, this.#options.feed.revision);
  }

  get isFilled(): boolean {
    return !this.#early;
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** As `ready`, but throws TransformationError where that is what keeps the cache from being filled. */
  async filled(): Promise<void> {
    if (this.#unreadable) throw this.#unreadable;
    await (this.#early ? Promise.race([this.#ready.promise, this.#refusal.promise]) : this.#ready.promise);
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#options.feed.unsubscribe(this.#options.prefix);
    this.#bookmarkTimer?.cancel();
    this.#ready.reject(new StoreClosedError());
    this.#ready = Promise.withResolvers();
    this.#ready.promise.catch(() => {});
    this.#ready.reject(new StoreClosedError());
    for (const watcher of this.watchers) watcher.end();
  }

  /** Waits until the cache is not older than `revision`; throws 504 ResourceVersionTooLarge when that takes too long. Mostly it is new enough. */
  waitFor(revision: number): void | Promise<void> {
    if (this.#early || this.revision < revision) return this.#waitUntil(revision);
    this.#options.observer?.waited(0);
  }

  async #waitUntil(revision: number): Promise<void> {
    const { clock, observer } = this.#options;
    const startedMs = clock.monotonic();
    try {
      await this.#comeUpTo(revision);
    } finally {
      observer?.waited((clock.monotonic() - startedMs) / 1000);
    }
  }

  async #comeUpTo(revision: number): Promise<void> {
    if (this.#early) await this.filled();
    if (this.revision >= revision) return;
    await new Promise<void>((resolve, reject) => {
      const timer = this.#options.clock.setTimer(freshnessTimeoutMs, () => {
        waiter.cancel();
        reject(tooLargeResourceVersion(revision, this.revision));
      });
      const waiter = this.#options.feed.whenSeen(revision, () => {
        timer.cancel();
        resolve();
      });
    });
    if (this.#early) await this.filled();
  }

  /** Waits until the cache shows everything that was durable when this was called. */
  async waitForNow(): Promise<void> {
    await this.waitFor(await this.#options.store.revision());
  }

  /** Where to look for the watchers that a change of this object may concern. */
  *#scopes(change: Change<T>): Generator<string> {
    yield everything;
    const { key } = change;
    const slash = key.lastIndexOf('/');
    yield below(key.slice(0, slash + 1));
    yield below(key);
    for (const { field, path } of this.#indexes) {
      const before = change.before?.field(path);
      const after = change.after?.field(path);
      if (before !== undefined) yield withField(field, before);
      if (after !== undefined && after !== before) yield withField(field, after);
    }
  }

  /** Called when a watcher with bookmarks has come: one timer serves all of them, and a log that has grown in busier times. */
  armBookmarks(): void {
    if (this.#bookmarkTimer || this.#closed.signal.aborted) return;
    this.#bookmarkTimer = this.#options.clock.setTimer(
      bookmarkPeriodMs,
      () => {
        this.#bookmarkTimer = undefined;
        this.log.prune(this.#options.clock.monotonic());
        if (this.watchers.withBookmarks === 0) return;
        for (const watcher of this.watchers) if (watcher.wantsBookmarks) watcher.bookmark(this.revision);
        this.armBookmarks();
      },
      { background: true },
    );
  }

  async #fill(started: Promise<void>): Promise<void> {
    for (;;) {
      try {
        await started;
        const revision = await this.#readAll();
        if (this.#closed.signal.aborted) return;
        this.#filledRevision = revision;
        this.lastChange = revision;
        this.log.clear(revision);
        this.#options.observer?.filled(revision);
        const early = this.#early ?? [];
        this.#early = undefined;
        this.#unreadable = undefined;
        this.#apply(early.filter((event) => event.modRevision > revision));
        // Not where one of these can't be read.
        if (!this.#early) this.#ready.resolve();
        return;
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        if (error instanceof StoreClosedError) return this.close();
        this.objects.clear();
        // Once, and not at each attempt, for what may stay so.
        if (!(error instanceof TransformationError) || error.message !== this.#unreadable?.message) this.#options.onFillError(error);
        if (error instanceof TransformationError) this.#refuse(error);
        await this.#options.clock.sleep(retryMs, this.#closed.signal).catch(() => {});
        if (this.#closed.signal.aborted) return;
      }
    }
  }

  #refuse(error: TransformationError): void {
    this.#unreadable = error;
    this.#refusal.reject(error);
    this.#refusal = Promise.withResolvers();
    this.#refusal.promise.catch(() => {});
  }

  /** All pages as of one revision, which it answers; no more than one of them is in memory twice. */
  async #readAll(): Promise<number> {
    const { store, prefix, decode } = this.#options;
    let page = await store.range(`${prefix}/`, { limit: fillPage });
    const { revision } = page;
    for (;;) {
      for (const value of page.values) this.objects.set(decode(value.key, value.modRevision, value.value));
      const last = page.values.at(-1);
      if (!page.more || !last) return revision;
      try {
        page = await store.range(`${prefix}/`, { limit: fillPage, startKey: `${last.key}\0`, revision });
      } catch (error) {
        if (!(error instanceof CompactedError)) throw error;
        this.objects.clear();
        return this.#readAll();
      }
    }
  }

  #apply(events: readonly StoreEvent[]): void {
    if (this.#early) {
      this.#early.push(...events);
      return;
    }
    const last = events.at(-1);
    if (last) this.#options.observer?.received(events.length, last.modRevision);
    for (const event of events) {
      const before = this.objects.get(event.key);
      if (event.modRevision <= this.#filledRevision) continue;
      let after: CachedObject<T> | undefined;
      try {
        after = event.type === 'put' && event.value ? this.#options.decode(event.key, event.modRevision, event.value) : undefined;
      } catch {
        // Reading everything anew meets the same value, and says what is wrong with it; other resources go on.
        this.#lost();
        return;
      }
      if (!before && !after) continue;
      if (after) this.objects.set(after);
      else this.objects.delete(event.key);
      this.lastChange = event.modRevision;
      const change = new Change<T>(event.modRevision, before, after, this.#options.clock.monotonic());
      this.log.push(change);
      this.watchers.offer(change, this.#scopes(change));
      this.#options.observer?.dispatched();
    }
  }

  /** As upstream's cacher does: all watches end, their clients come back with their last resourceVersion. */
  #lost(): void {
    if (this.#early) this.#early = [];
    else {
      this.#early = [];
      const before = this.#ready;
      this.#ready = Promise.withResolvers();
      this.#ready.promise.catch(() => {});
      // Where it has been lost while it was being filled, somebody still waits.
      this.#ready.promise.then(before.resolve, before.reject);
      void this.#refill();
    }
    for (const watcher of this.watchers) watcher.end();
  }

  #refill(): Promise<void> {
    this.objects.clear();
    return this.#fill(this.#options.feed.started());
  }
}

/** The scope of a watcher of all objects. */
export const everything = '';
/** The scope of one namespace (its key prefix, with slash) or of one object (its key). */
export const below = (key: string) => `key ${key}`;
export const withField = (field: string, value: string) => `field ${field}=${value}`;
