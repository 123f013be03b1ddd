/** Changes whose objects memory has let go of, made whole again from the store's history for a watcher that comes late. */
import { errors, type KubeObject } from '../../api/index.ts';
import { CompactedError, type Store } from '../../store/index.ts';
import type { CachedObject } from './cached-object.ts';
import { Change, type PastChange } from './change.ts';

export interface RecallSource<T extends KubeObject> {
  store: Store;
  decode: (key: string, revision: number, value: Buffer) => CachedObject<T>;
}

/** So many are asked for at a time. */
const atATime = 100;

/** In order, a number of them at a time. Throws 410 Expired where history no longer reaches back so far. */
export async function* recall<T extends KubeObject>(
  source: RecallSource<T>,
  changes: readonly (Change<T> | PastChange)[],
): AsyncGenerator<readonly Change<T>[], undefined> {
  /** What keys have come to so far: what a next change of them begins with. */
  const states = new Map<string, CachedObject<T> | undefined>();
  for (let i = 0; i < changes.length; i += atATime) {
    const some = changes.slice(i, i + atATime);
    const results = await Promise.all(some.map((change) => (change instanceof Change ? change.after : resultOf(source, change))));
    const whole: Change<T>[] = [];
    for (const [n, change] of some.entries()) {
      const { key } = change;
      const after = results[n];
      if (change instanceof Change) whole.push(change);
      else {
        const before = states.has(key) ? states.get(key) : await beginningOf(source, change);
        whole.push(new Change(change.revision, before, after, change.atMs));
      }
      states.set(key, after);
    }
    yield whole;
  }
  return undefined;
}

const resultOf = <T extends KubeObject>(source: RecallSource<T>, { isDeletion, key, revision }: PastChange) =>
  isDeletion ? undefined : stateAt(source, key, revision);

const beginningOf = <T extends KubeObject>(source: RecallSource<T>, { isCreation, key, revision }: PastChange) =>
  isCreation ? undefined : stateAt(source, key, revision - 1);

async function stateAt<T extends KubeObject>({ store, decode }: RecallSource<T>, key: string, revision: number): Promise<CachedObject<T>> {
  try {
    const stored = await store.get(key, { revision });
    if (stored === undefined) throw new Error(`the store has no ${key} as of revision ${revision}`);
    return decode(key, stored.modRevision, stored.value);
  } catch (error) {
    if (error instanceof CompactedError) throw errors.expired(`too old resource version: ${revision} (${error.compactRevision})`);
    throw error;
  }
}
