/** etcd's Watch: many watches on one stream of messages. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../../time/index.ts';
import { CompactedError, type Store, type StoreEvent } from '../store.ts';
import { type KeyInterval, keyInterval } from './key-interval.ts';
import { header, keyValue, type WatchCreateRequest, type WatchRequest } from './messages.ts';
import { toRpcError } from './rpc-error.ts';

type Stream = ServerDuplexStream<WatchRequest, object>;

/** etcd's period of progress notifications, and the size beyond which answers are cut for who asks for that. */
const progressPeriodMs = 600_000;
const fragmentBytes = 1.5 * 1024 * 1024;
/** What etcd's clients know a progress answer of the whole stream by. */
const wholeStream = -1;

interface Watcher {
  id: number;
  /** It has been told everything up to here. */
  seen: number;
  stop: AbortController;
}

interface WatchEvent {
  type: 'PUT' | 'DELETE';
  kv: object;
  prev_kv?: object;
}

export function serveWatch(store: Store, clock: Clock, stream: Stream, lifetime: AbortSignal): void {
  const watchers = new Map<number, Watcher>();
  /** Progress is told when every watcher has got there. */
  let asked: number[] = [];
  let nextId = 0;
  const ended = new AbortController();
  const end = () => ended.abort();
  for (const event of ['close', 'cancelled', 'error'] as const) stream.on(event, end);
  stream.on('end', () => stream.end());
  lifetime.addEventListener('abort', () => stream.end(), { signal: ended.signal });

  /** Resolves when it is on its way: a client that does not read holds back one answer, not a queue of them. */
  const send = (response: object): Promise<void> =>
    new Promise((resolve) => {
      if (ended.signal.aborted) return resolve();
      const go = () => {
        ended.signal.removeEventListener('abort', go);
        resolve();
      };
      ended.signal.addEventListener('abort', go, { once: true });
      stream.write(response, go);
    });

  const tellProgress = () => {
    const least = Math.min(Number.POSITIVE_INFINITY, ...[...watchers.values()].map((w) => w.seen));
    const due = asked.filter((revision) => revision <= least);
    asked = asked.filter((revision) => revision > least);
    for (const revision of due) void send({ header: header(revision), watch_id: wholeStream });
  };

  const watch = async (watcher: Watcher, interval: KeyInterval, request: WatchCreateRequest): Promise<void> => {
    const { id } = watcher;
    const signal = AbortSignal.any([watcher.stop.signal, ended.signal]);
    let notifying = request.progress_notify ? clock.setTimer(progressPeriodMs, () => notify(), { background: true }) : undefined;
    const notify = () => {
      void send({ header: header(watcher.seen), watch_id: id });
      notifying = clock.setTimer(progressPeriodMs, notify, { background: true });
    };
    try {
      for await (const batch of store.watch(interval.prefix, { fromRevision: watcher.seen + 1, signal })) {
        const events: WatchEvent[] = [];
        for (const event of batch.events) {
          if (!interval.contains(event.key) || request.filters.includes(event.type === 'put' ? 'NOPUT' : 'NODELETE')) continue;
          events.push(await toWatchEvent(store, event, request.prev_kv));
        }
        for (const part of request.fragment ? fragments(events) : [events]) {
          if (part.length === 0) continue;
          const more = request.fragment && part.at(-1) !== events.at(-1);
          await send({ header: header(batch.revision), watch_id: id, events: part, fragment: more });
        }
        watcher.seen = batch.revision;
        if (asked.length > 0) tellProgress();
      }
    } catch (error) {
      if (signal.aborted) return;
      const compact_revision = error instanceof CompactedError ? error.compactRevision : 0;
      const cancel_reason = toRpcError(error).details;
      await send({ header: header(await store.revision()), watch_id: id, canceled: true, compact_revision, cancel_reason });
    } finally {
      notifying?.cancel();
      watchers.delete(id);
    }
  };

  const create = async (request: WatchCreateRequest): Promise<void> => {
    const revision = await store.revision();
    const id = request.watch_id || nextId;
    const refuse = (cancel_reason: string) =>
      send({ header: header(revision), watch_id: wholeStream, created: true, canceled: true, cancel_reason });
    if (watchers.has(id)) return refuse('mvcc: duplicate watch ID provided on the WatchStream');
    while (nextId <= id || watchers.has(nextId)) nextId++;
    // For etcd, a watch of no key is one of the first key there can be.
    const key = request.key.length === 0 ? Buffer.of(0) : request.key;
    const interval = keyInterval(key, request.range_end);
    const watcher = { id, seen: (request.start_revision || revision + 1) - 1, stop: new AbortController() };
    watchers.set(id, watcher);
    void send({ header: header(revision), watch_id: id, created: true });
    void watch(watcher, interval, request);
  };

  const serve = async (request: WatchRequest): Promise<void> => {
    if (request.create_request) return create(request.create_request);
    if (request.cancel_request) {
      const { watch_id: id } = request.cancel_request;
      const watcher = watchers.get(id);
      if (!watcher) return;
      watchers.delete(id);
      watcher.stop.abort();
      return send({ header: header(await store.revision()), watch_id: id, canceled: true });
    }
    if (request.progress_request) {
      asked.push(await store.revision());
      tellProgress();
    }
  };

  // One after another, so that an answer never overtakes the request before.
  let last = Promise.resolve();
  stream.on('data', (request: WatchRequest) => {
    last = last.then(() => serve(request)).catch((error) => void stream.emit('error', toRpcError(error)));
  });
}

async function toWatchEvent(store: Store, event: StoreEvent, withPrevious: boolean): Promise<WatchEvent> {
  const { type, key, value, createRevision, modRevision, version, lease } = event;
  const kv =
    type === 'put' && value
      ? keyValue({ key, value, createRevision, modRevision, version, lease })
      : { key: Buffer.from(key), mod_revision: modRevision };
  if (!withPrevious || (type === 'put' && version === 1)) return { type: type === 'put' ? 'PUT' : 'DELETE', kv };
  // Where it is no longer kept, etcd leaves it out as well.
  const before = await store.get(key, { revision: modRevision - 1 }).catch((error: unknown) => {
    if (error instanceof CompactedError) return undefined;
    throw error;
  });
  return { type: type === 'put' ? 'PUT' : 'DELETE', kv, ...(before ? { prev_kv: keyValue(before) } : {}) };
}

function* fragments(events: WatchEvent[]): Generator<WatchEvent[]> {
  let part: WatchEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = sizeOf(event.kv) + sizeOf(event.prev_kv);
    if (part.length > 0 && bytes + size > fragmentBytes) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(event);
    bytes += size;
  }
  yield part;
}

const sizeOf = (kv: { value?: Buffer } | undefined) => 64 + (kv?.value?.length ?? 0);
