/**
 * Watches of a real etcd. They outlive members: a watch goes on at the next one with the revision after the last one it has given.
 *
 * A watch asks etcd for everything below `keyPrefix` and selects here. Where that is all keys, every revision has an event, so that the
 * events alone say how far the watch has seen. Where it is not, others' writes raise the revision unseen, and whoever has been told a
 * revision (`expect`) and waits for it would wait for good. Then the watch asks etcd for its progress, as kube-apiserver does; but
 * before 3.4.25 and 3.5.8 etcd's answer may overtake events that are still on their way (etcd-io/etcd#15220), so that there a
 * write of our own below the prefix makes an event that says it.
 *
 * A watch begins with a revision that it has seen already, and leaves that out. Where the next one has been compacted to, etcd takes
 * it for kept, but before 3.5.16 has forgotten what was deleted in it (etcd-io/etcd#18089); beginning before it, one is told.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Clock, Timer } from '../time/index.ts';
import type { EtcdClient } from './etcd-client.ts';
import type { EtcdKeyValue, WatchResponse } from './etcd-proto.ts';
import { CompactedError, type StoreEvent, type WatchBatch } from './store.ts';

type Stream = ClientDuplexStream<object, WatchResponse>;

export interface EtcdWatchesOptions {
  client: EtcdClient;
  clock: Clock;
  /** All that is watched; '' for all keys. */
  keyPrefix: string;
  /** Makes an event below the prefix. */
  tick: () => Promise<unknown>;
}

export interface EtcdWatches {
  /** Begins with the revision `start`, once that is known. */
  watch(prefix: string, start: Promise<number>, signal?: AbortSignal): AsyncGenerator<WatchBatch, undefined>;
  /** The store has this revision: watches that stay behind are told how far they have seen. */
  expect(revision: number): void;
  close(): void;
}

interface OpenWatch {
  stream: Stream;
  /** Everything up to here was given to the reader. */
  seen: number;
  /** The reader waits for the next answer. */
  isWaiting: boolean;
  /** The member's answers about progress can be relied on. */
  canAsk: boolean;
}

/** Between tries to watch again where no member serves. */
const watchPauseMs = 200;
/** Most events come sooner than this. */
const patienceMs = 20;
/** As kube-apiserver's period of progress requests. */
const progressPeriodMs = 100;

export function etcdWatches({ client, clock, keyPrefix, tick }: EtcdWatchesOptions): EtcdWatches {
  const open = new Set<OpenWatch>();
  let expected = 0;
  let timer: Timer | undefined;
  let closed = false;

  const isBehind = (watch: OpenWatch) => watch.isWaiting && watch.seen < expected;

  function arm(afterMs: number): void {
    if (timer || closed) return;
    for (const watch of open) {
      if (!isBehind(watch)) continue;
      timer = clock.setTimer(afterMs, () => {
        timer = undefined;
        void askForProgress().finally(() => arm(progressPeriodMs));
      });
      return;
    }
  }

  async function askForProgress(): Promise<void> {
    const behind = [...open].filter(isBehind);
    for (const { stream, canAsk } of behind) if (canAsk) stream.write({ progress_request: {} });
    // Whatever keeps this write from being done keeps the reader waiting, and it is tried again.
    if (behind.some((watch) => !watch.canAsk)) await tick().catch(() => {});
  }

  /** The watch on one stream, until that ends. */
  async function* follow(prefix: string, watch: OpenWatch): AsyncGenerator<WatchBatch, void> {
    const { stream } = watch;
    const start_revision = Math.max(1, watch.seen);
    const request = { ...keysBelow(keyPrefix), start_revision, prev_kv: true, progress_notify: watch.canAsk };
    stream.write({ create_request: request });
    const wait = () => {
      watch.isWaiting = true;
      arm(patienceMs);
    };
    wait();
    // The stream is read as fast as the reader reads; etcd holds back the rest.
    for await (const response of stream as AsyncIterable<WatchResponse>) {
      watch.isWaiting = false;
      if (response.canceled) {
        const { compact_revision, cancel_reason: reason } = response;
        if (compact_revision > 0) throw new CompactedError(compact_revision);
        // The member has lost its leader: another has one, or this one will. Or it has forgotten who this is.
        if (/no leader/.test(reason) || client.isForgotten(reason)) return;
        throw new Error(`etcd canceled a watch of ${prefix}: ${reason}`);
      }
      const events = response.events.filter((event) => event.kv.mod_revision > watch.seen);
      const last = events.at(-1);
      // Without events it tells of progress, or, before anything else, that the watch was created.
      const revision = last ? last.kv.mod_revision : response.created || response.events.length > 0 ? 0 : response.header.revision;
      if (revision > watch.seen) {
        watch.seen = revision;
        yield { revision, events: events.map(toEvent).filter((event) => event.key.startsWith(prefix)) };
      }
      wait();
    }
  }

  return {
    async *watch(prefix, start, signal) {
      const isOver = () => closed || signal?.aborted;
      if (isOver()) return undefined;
      let seen = (await start) - 1;
      while (!isOver()) {
        const stream = await client.stream<object, WatchResponse>('Watch', 'Watch');
        const watch: OpenWatch = { stream, seen, isWaiting: false, canAsk: false };
        const cancel = () => stream.cancel();
        signal?.addEventListener('abort', cancel, { once: true });
        open.add(watch);
        try {
          if (keyPrefix !== '') watch.canAsk = isProgressReliable(await client.versionOf(stream));
          if (isOver()) return undefined;
          yield* follow(prefix, watch);
        } catch (error) {
          if (isOver()) return undefined;
          if (!client.isElsewhere(error, stream)) throw error;
        } finally {
          seen = watch.seen;
          open.delete(watch);
          signal?.removeEventListener('abort', cancel);
          stream.cancel();
        }
        if (!isOver()) await clock.sleep(watchPauseMs, signal).catch(() => {});
      }
      return undefined;
    },

    expect(revision) {
      if (keyPrefix === '') return;
      expected = Math.max(expected, revision);
      arm(patienceMs);
    },

    close() {
      closed = true;
      timer?.cancel();
      for (const { stream } of open) stream.cancel();
    },
  };
}

/** Whether an etcd of this version tells of progress only what its watches have been sent: since 3.4.25 and 3.5.8. */
export function isProgressReliable(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  if (major !== 3) return major > 3;
  return minor > 5 || (minor === 5 && patch >= 8) || (minor === 4 && patch >= 25);
}

/** etcd's key range for a prefix. */
export function keysBelow(prefix: string): { key: Buffer; range_end: Buffer } {
  // For all keys etcd wants NUL at both ends.
  if (prefix === '') return { key: Buffer.from([0]), range_end: Buffer.from([0]) };
  const end = Buffer.from(prefix);
  // The last byte of UTF-8 text is below 0xff.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key: Buffer.from(prefix), range_end: end };
}

function toEvent({ type, kv, prev_kv: before }: { type: 'PUT' | 'DELETE'; kv: EtcdKeyValue; prev_kv?: EtcdKeyValue | null }): StoreEvent {
  return {
    type: type === 'PUT' ? 'put' : 'delete',
    key: kv.key.toString(),
    value: type === 'PUT' ? kv.value : before?.value,
    createRevision: kv.create_revision,
    modRevision: kv.mod_revision,
    version: kv.version,
    lease: type === 'PUT' ? kv.lease : 0,
  };
}
