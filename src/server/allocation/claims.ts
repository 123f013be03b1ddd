/**
 * Keeps two API servers of one store from giving out the same address or port at the same time: a value is claimed in the store, by
 * creating its key, before the Service that gets it is written. A claim ends with its lease; until then every server has seen the
 * Service itself, whose word counts from there on.
 */
import type { Store } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';
import { LeasePool } from '../storage/lease-pool.ts';

export interface Claims {
  /** All or none; answers the values that are others' (none: they are the owner's now). */
  claim(values: readonly string[], owner: string): Promise<string[]>;
  /** What was claimed is not used after all. */
  release(values: readonly string[], owner: string): Promise<void>;
}

/** Far longer than a watch lags behind. */
const claimSeconds = 60;

export function storeClaims(store: Store, prefix: string, clock: Clock): Claims {
  const leases = new LeasePool(store, clock);
  const keyOf = (value: string) => `${prefix}/ranges/claims/${value}`;
  return {
    async claim(values, owner) {
      if (values.length === 0) return [];
      const lease = await leases.lease(claimSeconds);
      const result = await store.commit(
        values.map((value) => ({ key: keyOf(value), modRevision: 0 })),
        values.map((value) => ({ put: keyOf(value), value: Buffer.from(owner), lease })),
      );
      if (result.ok) return [];
      return values.filter((_, i) => result.current[i] !== undefined);
    },
    async release(values, owner) {
      for (const value of values) {
        const known = await store.get(keyOf(value));
        if (known?.value.toString() === owner)
          await store.commit([{ key: known.key, modRevision: known.modRevision }], [{ delete: known.key }]);
      }
    },
  };
}
