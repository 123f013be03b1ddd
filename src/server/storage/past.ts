/**
 * Reading what was: `resourceVersionMatch=Exact` with a resourceVersion, and our own `at`, a time (RFC 3339) or how long ago
 * (`-5m`), both on get and on list. Upstream knows the first of them for lists only.
 */
import { errors, parseGoDuration, parseRfc3339 } from '../../api/index.ts';
import { CompactedError, FutureRevisionError, type Store, type StoredValue } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';
import { parseResourceVersion, tooLargeResourceVersion } from './versions.ts';

/** Kubernetes/apiserver's words (pkg/storage/etcd3/errors.go). */
export const versionExpired = 'The resourceVersion for the provided list is too old.';

/** The moment that `at` means, in milliseconds since the epoch. Throws 400. */
export function parseAt(text: string, nowMs: number): number {
  const ago = text.startsWith('-') ? parseGoDuration(text) : undefined;
  // A plus sign that was not escaped arrives as a space.
  const time = parseRfc3339(text.replace(' ', '+'));
  const ms = ago !== undefined ? Math.max(0, nowMs + Number(ago) / 1e6) : time && time.seconds * 1000 + time.nanos / 1e6;
  if (ms === undefined)
    throw errors.badRequest(
      `at: Invalid value: ${JSON.stringify(text)}: must be a time such as 2006-01-02T15:04:05Z or how long ago, such as -5m`,
    );
  if (ms > nowMs) throw errors.badRequest(`at: Invalid value: ${JSON.stringify(text)}: is in the future`);
  return ms;
}

/** The revision that the cluster was at then. Throws 400, and 410 where history does not go back so far. */
export async function revisionAtTime(store: Store, at: string, clock: Clock): Promise<number> {
  const ms = parseAt(at, clock.now());
  if (!store.times) throw errors.badRequest('at: the store of this cluster keeps no times');
  const revision = await store.times.revisionAt(ms);
  if (revision !== undefined) return revision;
  const begin = await store.times.historyBegin();
  const kept = begin === undefined ? 'it keeps none yet' : `it goes back to ${new Date(begin).toISOString()}`;
  throw errors.expired(
    `the history of this cluster does not reach back to ${new Date(ms).toISOString()}: ${kept} (k8ts up --history keeps more)`,
  );
}

export interface PastOptions {
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  at?: string;
}

/** The revision to read one object at; undefined for the present. */
export async function pastRevision(store: Store, clock: Clock, options: PastOptions): Promise<number | undefined> {
  if (options.at !== undefined) {
    if (options.resourceVersion) throw errors.badRequest('at and resourceVersion exclude each other');
    return revisionAtTime(store, options.at, clock);
  }
  return options.resourceVersionMatch === 'Exact' ? parseResourceVersion(options.resourceVersion) : undefined;
}

/** A key as it was. Throws 410 Expired and 504 for a version that the store has not reached. */
export async function readAt(store: Store, key: string, revision: number): Promise<StoredValue | undefined> {
  try {
    return await store.get(key, { revision });
  } catch (error) {
    if (error instanceof CompactedError) throw errors.expired(versionExpired);
    if (error instanceof FutureRevisionError) throw tooLargeResourceVersion(revision, await store.revision());
    throw error;
  }
}
