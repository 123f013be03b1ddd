import { expect, test } from 'vitest';
import type { ConfigMap } from '../api/index.ts';
import type { ResourceStorage, StorageWatchEvent } from './storage/storage.ts';
import { follow } from './storages.ts';

type Event = StorageWatchEvent<ConfigMap>;

const added = (name: string): Event => ({ type: 'ADDED', item: { shared: { metadata: { name } } } }) as unknown as Event; // all that a follower looks at
const initialEventsEnd: Event = { type: 'BOOKMARK', revision: 1, initialEventsEnd: true };

test('a follower goes on when the watch of the store was lost, and shows no state that is half read', async () => {
  const stop = new AbortController();
  const watches: AsyncIterable<Event>[] = [];
  const opened = Promise.withResolvers<void>();
  const seen: string[][] = [];
  const known = new Set<string>();
  const lastly = (): AsyncIterable<Event> => {
    opened.resolve();
    return forever(stop.signal);
  };
  const storage = {
    watch: () => watches.shift() ?? lastly(),
  } as unknown as ResourceStorage<ConfigMap>; // a follower only watches
  watches.push(
    (async function* () {
      yield added('a');
      yield added('b');
      yield initialEventsEnd;
    })(),
    (async function* () {
      seen.push([...known]);
      yield added('c');
      seen.push([...known]);
      yield initialEventsEnd;
      seen.push([...known]);
      yield added('d');
    })(),
  );
  const follower = {
    reset: () => known.clear(),
    set: ({ metadata }: ConfigMap) => known.add(metadata.name),
    remove: ({ metadata }: ConfigMap) => known.delete(metadata.name),
  };
  const onError = (error: unknown) => expect.unreachable(String(error));
  await follow(storage, follower, { signal: stop.signal, onError });
  await opened.promise;
  expect(seen).toEqual([['a', 'b'], ['a', 'b'], ['c']]);
  expect([...known]).toEqual(['c', 'd']);
  stop.abort();
});

async function* forever(signal: AbortSignal): AsyncGenerator<Event> {
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
