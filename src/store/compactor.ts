/**
 * Regular compaction of a store that does not forget by itself (etcd), as kube-apiserver does it: every interval, forget what is older
 * than the interval before. Of several servers on one store, the one that wins the race for a key does it.
 */
import type { Clock } from '../time/index.ts';
import { CompactedError, type Store } from './store.ts';

export interface CompactorOptions {
  store: Store;
  clock: Clock;
  signal: AbortSignal;
  /** --etcd-compaction-interval. Default 5 minutes. */
  intervalMs?: number;
  /** Keys that etcd's user may write, where it may not write all; then the servers race for a key below it. */
  keyPrefix?: string;
  onError: (error: unknown) => void;
}

/** Where the servers race; the same key as kube-apiserver's. */
const compactRevisionKey = 'compact_rev_key';

/** Runs until the signal is aborted. */
export async function compactRegularly(options: CompactorOptions): Promise<void> {
  const { store, clock, signal, intervalMs = 300_000, keyPrefix = '', onError } = options;
  let seen = { modRevision: 0, revision: 0 };
  let key = compactRevisionKey;
  while (!signal.aborted) {
    try {
      seen = await takeTurn(store, key, seen);
    } catch (error) {
      if (signal.aborted) return;
      const own = `${keyPrefix}${compactRevisionKey}`;
      if (key !== own && String(error).includes('permission denied')) {
        key = own;
        continue;
      }
      onError(error);
    }
    // Aborted: the loop's condition ends it.
    await clock.sleep(intervalMs, signal).catch(() => {});
  }
}

/** What this server saw last: the key's modification, and the store's revision then. */
interface Seen {
  modRevision: number;
  revision: number;
}

async function takeTurn(store: Store, key: string, seen: Seen): Promise<Seen> {
  const value = Buffer.from(String(seen.revision));
  const turn = await store.commit([{ key, modRevision: seen.modRevision }], [{ put: key, value }]);
  // Another server has had this turn (or this one has just started): look again an interval later.
  if (!turn.ok) return { modRevision: turn.current[0]?.modRevision ?? 0, revision: turn.revision };
  if (seen.revision > 0) {
    await store.compact(seen.revision).catch((error) => {
      if (!(error instanceof CompactedError)) throw error;
    });
  }
  return { modRevision: turn.revision, revision: turn.revision };
}
