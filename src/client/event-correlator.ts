/**
 * Keeps a busy component from flooding the API with events, by upstream's rules (client-go tools/record, EventCorrelator): an
 * event that was seen before raises a count; many that differ in their message alone become one; a source that has too much to
 * say of one object is rationed.
 */
import type { Event } from '../api/index.ts';
import type { Clock } from '../time/index.ts';
import { createTokenBucket, type TokenBucket } from './rate-limiter.ts';

const aggregateAfter = 10;
const aggregateWithinMs = 600_000;
const burst = 25;
const refillPerSecond = 1 / 300;
/** Entries kept of each sort; the least recently used go first. */
const cacheSize = 4096;

/** What to do with an event: create it, or raise the count of one that is there. */
export interface Correlated {
  event: Event;
  /** The name of the event to patch; undefined to create. */
  patch?: { count: number; message: string; lastTimestamp: string } | undefined;
}

export interface EventCorrelator {
  /** Undefined: dropped as spam. */
  correlate(event: Event): Correlated | undefined;
  /** Takes note of what the server has stored, for later counts. */
  stored(event: Event): void;
}

export function createEventCorrelator(clock: Clock): EventCorrelator {
  const buckets = lruMap<TokenBucket>();
  const groups = lruMap<{ messages: Set<string>; lastMs: number }>();
  const seen = lruMap<{ name: string; namespace: string; count: number; firstTimestamp: string; resourceVersion: string }>();

  /** The event, or the one that stands for it and its like. */
  const aggregate = (event: Event): { event: Event; key: string } => {
    const groupKey = [...identity(event), event.type, event.reason, event.reportingComponent, event.reportingInstance].join('|');
    const now = clock.now();
    let group = groups.get(groupKey);
    if (!group || now - group.lastMs > aggregateWithinMs) group = { messages: new Set(), lastMs: now };
    group.lastMs = now;
    group.messages.add(event.message ?? '');
    groups.set(groupKey, group);
    if (group.messages.size < aggregateAfter) return { event, key: [groupKey, event.message].join('|') };
    // Drop one so that the set does not grow for as long as the group lasts.
    const [oldest] = group.messages;
    if (oldest !== undefined) group.messages.delete(oldest);
    return { event: { ...event, message: `(combined from similar events): ${event.message ?? ''}` }, key: groupKey };
  };

  const keys = new Map<string, string>();
  const remember = (event: Event, key: string): void => {
    keys.set(event.metadata.name, key);
    if (keys.size > cacheSize) for (const first of keys.keys()) return void keys.delete(first);
  };

  return {
    correlate(original) {
      const spamKey = [...identity(original), original.source?.component, original.source?.host].join('|');
      let bucket = buckets.get(spamKey);
      if (!bucket) bucket = createTokenBucket(clock, refillPerSecond, burst);
      buckets.set(spamKey, bucket);
      const { event, key } = aggregate(original);
      const known = seen.get(key);
      if (!bucket.tryTake()) return undefined;
      if (!known) {
        remember(event, key);
        return { event };
      }
      const count = known.count + 1;
      const { name, namespace, firstTimestamp, resourceVersion } = known;
      seen.set(key, { ...known, count });
      const again = { ...event, metadata: { ...event.metadata, name, namespace, resourceVersion }, count, firstTimestamp };
      remember(again, key);
      return { event: again, patch: { count, message: event.message ?? '', lastTimestamp: event.lastTimestamp ?? '' } };
    },

    stored(event) {
      const key = keys.get(event.metadata.name);
      if (key === undefined) return;
      keys.delete(event.metadata.name);
      seen.set(key, {
        name: event.metadata.name,
        namespace: event.metadata.namespace ?? '',
        count: event.count ?? 1,
        firstTimestamp: event.firstTimestamp ?? '',
        resourceVersion: event.metadata.resourceVersion,
      });
    },
  };
}

function identity({ involvedObject: o, source }: Event): (string | undefined)[] {
  return [source?.component, source?.host, o.kind, o.namespace, o.name, o.uid, o.apiVersion, o.fieldPath];
}

function lruMap<V>(): { get(key: string): V | undefined; set(key: string, value: V): void } {
  const map = new Map<string, V>();
  return {
    get: (key) => map.get(key),
    set(key, value) {
      map.delete(key);
      map.set(key, value);
      if (map.size > cacheSize) for (const oldest of map.keys()) return void map.delete(oldest);
    },
  };
}
