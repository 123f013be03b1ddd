/**
 * Readers of the store's events. A watcher that keeps up is fed live; one that starts in the past or falls behind reads from the
 * log until it has caught up. Nothing is buffered beyond `liveEvents` a watcher, so a reader that never reads costs nothing, and
 * learns of it with CompactedError once what it missed is no longer kept.
 */
import { CompactedError, type StoreEvent, type WatchBatch, type WatchOptions } from './store.ts';

/** What the hub reads when a watcher is behind. */
export interface History {
  /** The newest published revision. */
  revision(): number;
  compactRevision(): number;
  /** Events of whole revisions below `prefix` from `fromRevision` on, a bounded number of them; `revision` is how far it read. */
  read(prefix: string, fromRevision: number): WatchBatch;
}

/** A live watcher with more events than this waiting goes back to reading the log. */
const liveEvents = 1000;

interface Watcher {
  prefix: string;
  queue: WatchBatch[];
  queuedEvents: number;
  /** Set while the reader waits for something to happen. */
  wake: (() => void) | undefined;
}

export class WatchHub {
  readonly #history: History;
  readonly #live = new Set<Watcher>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(history: History) {
    this.#history = history;
  }

  /** Takes the events of the revisions that have just become durable, in order. */
  publish(revision: number, events: readonly StoreEvent[]): void {
    for (const watcher of this.#live) {
      const mine = watcher.prefix === '' ? [...events] : events.filter((e) => e.key.startsWith(watcher.prefix));
      const last = watcher.queue.at(-1);
      // Without events of its own a watcher is still told how far it has seen; one such batch in the queue is enough.
      if (mine.length === 0 && last && last.events.length === 0) last.revision = revision;
      else watcher.queue.push({ revision, events: mine });
      watcher.queuedEvents += mine.length;
      if (watcher.queuedEvents > liveEvents) this.#fallBehind(watcher);
      watcher.wake?.();
    }
  }

  /** Live delivery stops; the reader continues from the log, after what it was last given. */
  #fallBehind(watcher: Watcher): void {
    this.#live.delete(watcher);
    watcher.queue = [];
    watcher.queuedEvents = 0;
  }

  close(): void {
    this.#closed = true;
    for (const wake of this.#waiting) wake();
  }

  watch(prefix: string, options: WatchOptions = {}): AsyncIterable<WatchBatch> {
    const start = (options.fromRevision ?? this.#history.revision() + 1) - 1;
    return { [Symbol.asyncIterator]: () => this.#read(prefix, start, options.signal) };
  }

  async *#read(prefix: string, start: number, signal: AbortSignal | undefined): AsyncGenerator<WatchBatch, undefined> {
    const watcher: Watcher = { prefix, queue: [], queuedEvents: 0, wake: undefined };
    /** The reader has been given everything up to here. */
    let delivered = start;
    const wake = () => watcher.wake?.();
    signal?.addEventListener('abort', wake, { once: true });
    this.#waiting.add(wake);
    try {
      while (!this.#closed && !signal?.aborted) {
        const queued = watcher.queue.shift();
        if (queued) {
          watcher.queuedEvents -= queued.events.length;
          // A watch may start in the future: what comes before its start is not for it.
          const events = queued.revision > start ? queued.events.filter((e) => e.modRevision > start) : [];
          if (queued.revision <= delivered) continue;
          delivered = queued.revision;
          yield { revision: delivered, events };
        } else if (this.#live.has(watcher)) {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve;
          });
          watcher.wake = undefined;
        } else if (delivered >= this.#history.revision()) {
          this.#live.add(watcher);
        } else {
          if (delivered + 1 < this.#history.compactRevision()) throw new CompactedError(this.#history.compactRevision());
          const batch = this.#history.read(prefix, delivered + 1);
          delivered = batch.revision;
          yield batch;
        }
      }
      return undefined;
    } finally {
      this.#live.delete(watcher);
      this.#waiting.delete(wake);
      signal?.removeEventListener('abort', wake);
    }
  }
}
