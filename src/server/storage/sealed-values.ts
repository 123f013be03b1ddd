/**
 * Encryption at rest, where objects meet the store: what goes in is sealed, what comes out is opened, and nobody on this side sees
 * another thing than plain values. Only resources that may be encrypted have this between; the others talk to the store itself.
 */
import { StatusError } from '../../api/index.ts';
import type { Operation, Store, StoredValue, StoreEvent } from '../../store/index.ts';
import type { Transformer } from '../encryption/index.ts';
import type { Feed, FeedSubscriber } from './revision-feed.ts';

/** A value that no provider of the configuration can read, or write. */
export class TransformationError extends StatusError {
  constructor(message: string, cause?: unknown) {
    super(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
    this.cause = cause;
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export class SealedValues {
  readonly #transformer: Transformer;
  /** What is under way: a sealed value that comes back as it went needs no opening, and the plain one is known by identity. */
  readonly #sealed = new WeakMap<Buffer, { key: string; plain: Buffer; writer: unknown }>();
  readonly #stale = new WeakSet<Buffer>();

  constructor(transformer: Transformer) {
    this.#transformer = transformer;
  }

  /** Whether what this is the plain value of would be written otherwise now. */
  isStale(plain: Buffer): boolean {
    return this.#stale.has(plain);
  }

  /** Throws TransformationError. */
  seal(plain: Buffer, key: string): Buffer {
    try {
      const sealed = this.#transformer.seal(plain, key);
      if (sealed !== plain) this.#sealed.set(sealed, { key, plain, writer: this.#transformer.writer() });
      return sealed;
    } catch (error) {
      throw new TransformationError(messageOf(error), error);
    }
  }

  /** Throws, or rejects, as the transformer does. */
  open(sealed: Buffer, key: string): Buffer | Promise<Buffer> {
    const known = this.#sealed.get(sealed);
    // By another key than writes now, it is for the transformer to say whether it can be read, and whether it is stale.
    if (known?.key === key && known.writer === this.#transformer.writer()) return this.#note(known.plain, false);
    const opened = this.#transformer.open(sealed, key);
    return opened instanceof Promise
      ? opened.then(({ plain, isStale }) => this.#note(plain, isStale))
      : this.#note(opened.plain, opened.isStale);
  }

  #note(plain: Buffer, isStale: boolean): Buffer {
    if (isStale) this.#stale.add(plain);
    else this.#stale.delete(plain);
    return plain;
  }
}

/** The store with plain values. */
export function sealedStore(store: Store, values: SealedValues): Store {
  /** `words`: upstream names the key in lists, and not where the client has named it. */
  const opened = async (stored: StoredValue, words: (why: string) => string): Promise<StoredValue> => {
    try {
      return { ...stored, value: await values.open(stored.value, stored.key) };
    } catch (error) {
      throw new TransformationError(words(messageOf(error)), error);
    }
  };
  const one = (stored: StoredValue | undefined) => (stored ? opened(stored, (why) => why) : Promise.resolve(undefined));
  const sealed = (operation: Operation): Operation =>
    'put' in operation ? { ...operation, value: values.seal(operation.value, operation.put) } : operation;

  return {
    revision: () => store.revision(),
    get: async (key, options) => one(await store.get(key, options)),
    async range(prefix, options) {
      const range = await store.range(prefix, options);
      const naming =
        ({ key }: StoredValue) =>
        (why: string) =>
          `unable to transform key ${JSON.stringify(key)}: ${why}`;
      return { ...range, values: await Promise.all(range.values.map((stored) => opened(stored, naming(stored)))) };
    },
    async commit(conditions, operations) {
      const result = await store.commit(conditions, operations.map(sealed));
      return result.ok ? result : { ...result, current: await Promise.all(result.current.map(one)) };
    },
    watch: () => {
      throw new Error('sealed values are watched through their feed');
    },
    grantLease: (ttlSeconds, id) => store.grantLease(ttlSeconds, id),
    keepAlive: (id) => store.keepAlive(id),
    revokeLease: (id) => store.revokeLease(id),
    leases: () => store.leases(),
    compact: (revision) => store.compact(revision),
    ...(store.times ? { times: store.times } : {}),
    sizeBytes: () => store.sizeBytes(),
    close: () => store.close(),
  };
}

/**
 * A feed with plain values for one subscriber. Where a key must be asked for, this subscriber's events wait, in order, and its
 * revision with them; everybody else's go on.
 */
export class OpenedFeed implements Feed {
  readonly #feed: Feed;
  readonly #values: SealedValues;
  /** Events behind those that are being opened; undefined when nothing waits. */
  #waiting: (readonly StoreEvent[])[] | undefined;
  /** What the subscriber has seen while something waits. */
  #heldAt = 0;
  readonly #whenIdle = new Set<() => void>();

  constructor(feed: Feed, values: SealedValues) {
    this.#feed = feed;
    this.#values = values;
  }

  get revision(): number {
    return this.#waiting ? this.#heldAt : this.#feed.revision;
  }

  started(): Promise<void> {
    return this.#feed.started();
  }

  unsubscribe(prefix: string): void {
    this.#waiting = undefined;
    this.#feed.unsubscribe(prefix);
  }

  subscribe(prefix: string, subscriber: FeedSubscriber): Promise<void> {
    return this.#feed.subscribe(prefix, {
      apply: (events) => this.#apply(events, subscriber),
      lost: () => this.#lose(subscriber),
      end: () => {
        this.#waiting = undefined;
        subscriber.end();
      },
    });
  }

  whenSeen(revision: number, resolve: () => void): { cancel(): void } {
    const once = () => {
      this.#whenIdle.delete(once);
      resolve();
    };
    const seen = this.#feed.whenSeen(revision, () => {
      if (this.#waiting) this.#whenIdle.add(once);
      else resolve();
    });
    return {
      cancel: () => {
        seen.cancel();
        this.#whenIdle.delete(once);
      },
    };
  }

  #apply(events: readonly StoreEvent[], subscriber: FeedSubscriber): void {
    if (this.#waiting) {
      this.#waiting.push(events);
      return;
    }
    try {
      const opened = this.#openAll(events);
      if (!(opened instanceof Promise)) {
        subscriber.apply(opened);
        return;
      }
      // The feed counts a batch as seen only after its subscribers have had it.
      this.#heldAt = this.#feed.revision;
      this.#waiting = [];
      void this.#applyLater(opened, this.#waiting, subscriber);
    } catch {
      // Reading everything anew meets the same value, and says what is wrong with it.
      this.#lose(subscriber);
    }
  }

  async #applyLater(first: Promise<readonly StoreEvent[]>, waiting: (readonly StoreEvent[])[], subscriber: FeedSubscriber): Promise<void> {
    try {
      let batch: readonly StoreEvent[] | undefined = await first;
      while (batch) {
        // Lost or ended meanwhile.
        if (this.#waiting !== waiting) return;
        subscriber.apply(batch);
        const next = waiting.shift();
        batch = next && (await this.#openAll(next));
      }
    } catch {
      // As above.
      if (this.#waiting === waiting) this.#lose(subscriber);
      return;
    }
    if (this.#waiting !== waiting) return;
    this.#waiting = undefined;
    for (const resolve of [...this.#whenIdle]) resolve();
  }

  #lose(subscriber: FeedSubscriber): void {
    this.#waiting = undefined;
    subscriber.lost();
    for (const resolve of [...this.#whenIdle]) resolve();
  }

  #openAll(events: readonly StoreEvent[]): readonly StoreEvent[] | Promise<readonly StoreEvent[]> {
    const opened = events.map((event) => this.#open(event));
    return opened.some((event) => event instanceof Promise) ? Promise.all(opened) : (opened as StoreEvent[]);
  }

  #open(event: StoreEvent): StoreEvent | Promise<StoreEvent> {
    // Nobody reads what a deleted object was from its event.
    if (event.type === 'delete' || event.value === undefined) return { ...event, value: undefined };
    const value = this.#values.open(event.value, event.key);
    return value instanceof Promise ? value.then((plain) => ({ ...event, value: plain })) : { ...event, value };
  }
}
