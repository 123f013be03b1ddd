/** Hands every value pushed to every present subscriber, in order. */
export interface EventFeed<T> {
  push(value: T): void;
  /** Values from the call on (not from the first `next`); ends when the signal is aborted or the feed closes. */
  subscribe(signal: AbortSignal): AsyncIterable<T>;
  close(): void;
}

interface Subscriber<T> {
  queue: T[];
  wake: () => void;
}

export function eventFeed<T>(): EventFeed<T> {
  const subscribers = new Set<Subscriber<T>>();
  let closed = false;

  async function* drain(subscriber: Subscriber<T>, signal: AbortSignal): AsyncGenerator<T> {
    const stop = () => subscriber.wake();
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) {
        while (subscriber.queue.length > 0 && !signal.aborted) {
          const batch = subscriber.queue;
          subscriber.queue = [];
          yield* batch;
        }
        if (closed || signal.aborted) return;
        await new Promise<void>((resolve) => {
          subscriber.wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', stop);
      subscribers.delete(subscriber);
    }
  }

  return {
    push(value) {
      for (const subscriber of subscribers) {
        subscriber.queue.push(value);
        subscriber.wake();
      }
    },
    subscribe(signal) {
      const subscriber: Subscriber<T> = { queue: [], wake: () => {} };
      subscribers.add(subscriber);
      return drain(subscriber, signal);
    },
    close() {
      closed = true;
      for (const subscriber of subscribers) subscriber.wake();
    },
  };
}
