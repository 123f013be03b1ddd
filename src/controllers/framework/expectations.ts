import type { Clock } from '../../time/index.ts';

/** Upstream's ExpectationsTimeout: what has not been seen by then will not be. */
const timeoutMs = 5 * 60_000;

/**
 * What a controller has done that its informer has not shown yet. While something is outstanding for a key, its cache is older
 * than its own deeds, and it must not count objects, or it would create or delete too many.
 */
export interface Expectations {
  /** An object with this uid was created (or deleted) for `key`. */
  expect(key: string, what: 'created' | 'deleted', uid: string): void;
  /** The informer has shown what was expected of this object. */
  observe(what: 'created' | 'deleted', uid: string): void;
  satisfied(key: string): boolean;
  forget(key: string): void;
}

export function createExpectations(clock: Clock): Expectations {
  const outstanding = new Map<string, Map<string, number>>();
  const keyOfItem = new Map<string, string>();
  const drop = (key: string, item: string): void => {
    const items = outstanding.get(key);
    items?.delete(item);
    if (items?.size === 0) outstanding.delete(key);
    keyOfItem.delete(item);
  };
  return {
    expect(key, what, uid) {
      const item = `${what} ${uid}`;
      let items = outstanding.get(key);
      if (!items) {
        items = new Map();
        outstanding.set(key, items);
      }
      items.set(item, clock.monotonic());
      keyOfItem.set(item, key);
    },
    observe(what, uid) {
      const item = `${what} ${uid}`;
      const key = keyOfItem.get(item);
      if (key !== undefined) drop(key, item);
    },
    satisfied(key) {
      const now = clock.monotonic();
      for (const [item, since] of outstanding.get(key) ?? []) if (now - since > timeoutMs) drop(key, item);
      return !outstanding.has(key);
    },
    forget(key) {
      for (const item of [...(outstanding.get(key)?.keys() ?? [])]) drop(key, item);
    },
  };
}
