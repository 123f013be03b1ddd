import { type Clock, systemClock } from '../time/index.ts';
import { memoryBackend } from './memory-backend.ts';
import { openMvccStore } from './mvcc-store.ts';
import type { Retention } from './retention.ts';
import type { Store } from './store.ts';

export interface MemoryStoreOptions {
  clock?: Clock;
  retention?: Retention;
}

/** A store that lives as long as the process: for tests and throw-away clusters. */
export function openMemoryStore({ clock = systemClock, retention }: MemoryStoreOptions = {}): Store {
  return openMvccStore({
    backend: memoryBackend(),
    clock,
    ...(retention ? { retention } : {}),
    onBackgroundError: (error, what) => {
      // Nothing in memory can fail but by a mistake in this code.
      throw new Error(`memory store: ${what}`, { cause: error });
    },
  });
}
