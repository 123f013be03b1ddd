import type { ClientDuplexStream } from '@grpc/grpc-js';
import { type Clock, type Random, systemClock, systemRandom } from '../time/index.ts';
import { EtcdError, etcdClient } from './etcd-client.ts';
import type { EtcdTls } from './etcd-member.ts';
import type { EtcdKeyValue, EtcdService, RangeResponse, TxnResponse, WatchResponse } from './etcd-proto.ts';
import {
  CompactedError,
  FutureRevisionError,
  LeaseNotFoundError,
  type Operation,
  type Store,
  StoreClosedError,
  type StoredValue,
  type StoreEvent,
  type WatchBatch,
  type WatchOptions,
} from './store.ts';

export interface EtcdStoreOptions {
  /** `https://HOST:PORT`, `http://HOST:PORT` or `HOST:PORT`; several are members of one cluster. */
  endpoints: readonly string[];
  tls?: EtcdTls;
  /** Where etcd's authentication is enabled; needs read and write permission for all keys. */
  user?: { name: string; password: string };
  clock?: Clock;
  /** For lease ids. */
  random?: Random;
  /** How long a request looks for a member that serves it. Default 10 s. */
  patienceMs?: number;
}

/** Between tries to watch again where no member serves. */
const watchPauseMs = 200;

/**
 * A store in a real etcd, 3.4 or later. Compaction is left to whoever calls `compact`. It outlives members that fail: requests go to
 * the next one, and a watch goes on there with the revision after the last one it has given.
 *
 * A watch asks etcd for all keys and selects here: since every revision has an event, the events alone say how far the watch has
 * seen. etcd's progress requests would serve for narrower watches, but before 3.4.25 and 3.5.8 they run ahead of events that are
 * still on their way (etcd-io/etcd#15220), and k8ts has a single watch of everything anyway.
 */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  const { endpoints, tls, user, clock = systemClock, random = systemRandom, patienceMs } = options;
  const client = etcdClient({ endpoints, tls, user, clock, patienceMs });
  const inFlight = new Set<Promise<unknown>>();
  const streams = new Set<ClientDuplexStream<object, WatchResponse>>();
  let closed = false;

  async function call<R>(service: EtcdService, method: string, request: object, idempotent = false): Promise<R> {
    if (closed) throw new StoreClosedError();
    const answer = client.call<R>(service, method, request, { idempotent });
    inFlight.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw storeError(error);
    } finally {
      inFlight.delete(answer);
    }
  }

  const range = (request: object) => call<RangeResponse>('KV', 'Range', request, true);
  const newestRevision = async () => (await range({ key: Buffer.from([0]), limit: 1, count_only: true })).header.revision;

  async function* watch(prefix: string, start: Promise<number>, signal?: AbortSignal): AsyncGenerator<WatchBatch, undefined> {
    const isOver = () => closed || signal?.aborted;
    if (isOver()) return undefined;
    let next = await start;
    while (!isOver()) {
      const stream = await client.stream<object, WatchResponse>('Watch', 'Watch');
      const cancel = () => stream.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
      streams.add(stream);
      try {
        if (isOver()) return undefined;
        stream.write({ create_request: { ...keysBelow(''), start_revision: next, prev_kv: true } });
        // The stream is read as fast as the reader reads; etcd holds back the rest.
        for await (const response of stream as AsyncIterable<WatchResponse>) {
          if (response.canceled) {
            if (response.compact_revision > 0) throw new CompactedError(response.compact_revision);
            // The member has lost its leader: another has one, or this one will.
            if (/no leader/.test(response.cancel_reason)) break;
            throw new Error(`etcd canceled a watch of ${prefix}: ${response.cancel_reason}`);
          }
          const last = response.events.at(-1);
          if (!last) continue;
          next = last.kv.mod_revision + 1;
          yield { revision: last.kv.mod_revision, events: response.events.map(toEvent).filter((event) => event.key.startsWith(prefix)) };
        }
      } catch (error) {
        if (isOver()) return undefined;
        if (!client.isElsewhere(error, stream)) throw error;
      } finally {
        streams.delete(stream);
        signal?.removeEventListener('abort', cancel);
        stream.cancel();
      }
      if (!isOver()) await clock.sleep(watchPauseMs, signal).catch(() => {});
    }
    return undefined;
  }

  return {
    revision: newestRevision,

    get: async (key, options) => {
      const { kvs } = await range({ key: Buffer.from(key), ...(options?.revision ? { revision: options.revision } : {}) });
      return kvs[0] && toStored(kvs[0]);
    },

    range: async (prefix, options = {}) => {
      const response = await range({
        ...keysBelow(prefix),
        ...(options.startKey ? { key: Buffer.from(options.startKey) } : {}),
        ...(options.revision ? { revision: options.revision } : {}),
        ...(options.limit ? { limit: options.limit } : {}),
        count_only: options.countOnly ?? false,
      });
      return {
        revision: options.revision || response.header.revision,
        values: response.kvs.map(toStored),
        count: response.count,
        more: response.more,
      };
    },

    commit: async (conditions, operations) => {
      const response = await call<TxnResponse>('KV', 'Txn', {
        compare: conditions.map((c) => ({ key: Buffer.from(c.key), target: 'MOD', result: 'EQUAL', mod_revision: c.modRevision })),
        success: operations.map(toRequest),
        failure: conditions.map((c) => ({ request_range: { key: Buffer.from(c.key) } })),
      });
      if (response.succeeded) return { ok: true, revision: response.header.revision };
      const current = response.responses.map(({ response_range: found }) => found?.kvs[0] && toStored(found.kvs[0]));
      return { ok: false, revision: response.header.revision, current };
    },

    watch: (prefix, { fromRevision, signal }: WatchOptions = {}) => {
      // "From now" is from when this is called, not from when etcd gets to it.
      const start = fromRevision === undefined ? newestRevision().then((revision) => revision + 1) : Promise.resolve(fromRevision);
      start.catch(() => {
        // Reported to the reader, if there is one.
      });
      return { [Symbol.asyncIterator]: () => watch(prefix, start, signal) };
    },

    grantLease: async (ttlSeconds, id) => {
      // etcd's own ids do not fit into a number.
      const wanted = id || Math.floor(random.next() * 2 ** 52) + 1;
      const { ID, TTL } = await call<{ ID: number; TTL: number }>('Lease', 'LeaseGrant', { TTL: ttlSeconds, ID: wanted });
      return { id: ID, ttlSeconds: TTL };
    },

    keepAlive: async (id) => {
      if (closed) throw new StoreClosedError();
      const stream = await client.stream<object, { TTL: number }>('Lease', 'LeaseKeepAlive');
      try {
        stream.write({ ID: id });
        for await (const { TTL } of stream as AsyncIterable<{ TTL: number }>) {
          if (TTL > 0) return { ttlSeconds: TTL };
          break;
        }
      } finally {
        stream.cancel();
      }
      throw new LeaseNotFoundError();
    },

    revokeLease: async (id) => {
      await call('Lease', 'LeaseRevoke', { ID: id });
    },

    leases: async () => {
      const { leases } = await call<{ leases: { ID: number }[] }>('Lease', 'LeaseLeases', {}, true);
      const details = await Promise.all(
        leases.map(({ ID }) =>
          call<{ ID: number; TTL: number; grantedTTL: number; keys: Buffer[] }>('Lease', 'LeaseTimeToLive', { ID, keys: true }, true),
        ),
      );
      return details
        .filter((lease) => lease.TTL >= 0)
        .map((lease) => ({
          id: lease.ID,
          grantedTtlSeconds: lease.grantedTTL,
          remainingTtlSeconds: lease.TTL,
          keys: lease.keys.map(String),
        }));
    },

    compact: async (revision) => {
      await call('KV', 'Compact', { revision });
    },

    sizeBytes: async () => (await call<{ dbSize: number }>('Maintenance', 'Status', {}, true)).dbSize,

    close: async () => {
      if (closed) return;
      closed = true;
      await Promise.allSettled(inFlight);
      for (const stream of streams) stream.cancel();
      client.close();
    },
  };
}

/** etcd's key range for a prefix. */
function keysBelow(prefix: string): { key: Buffer; range_end: Buffer } {
  // For all keys etcd wants NUL at both ends.
  if (prefix === '') return { key: Buffer.from([0]), range_end: Buffer.from([0]) };
  const end = Buffer.from(prefix);
  // The last byte of UTF-8 text is below 0xff.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key: Buffer.from(prefix), range_end: end };
}

function toRequest(operation: Operation): object {
  if ('delete' in operation) return { request_delete_range: { key: Buffer.from(operation.delete) } };
  return { request_put: { key: Buffer.from(operation.put), value: operation.value, lease: operation.lease ?? 0 } };
}

function toStored(kv: EtcdKeyValue): StoredValue {
  return {
    key: kv.key.toString(),
    value: kv.value,
    createRevision: kv.create_revision,
    modRevision: kv.mod_revision,
    version: kv.version,
    lease: kv.lease,
  };
}

function toEvent({ type, kv, prev_kv: before }: WatchResponse['events'][number]): StoreEvent {
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

/** The store's own errors where etcd's words are theirs. */
function storeError(error: unknown): unknown {
  if (!(error instanceof EtcdError)) return error;
  if (error.details.includes('required revision has been compacted')) return new CompactedError(0);
  if (error.details.includes('required revision is a future revision')) return new FutureRevisionError();
  if (error.details.includes('requested lease not found')) return new LeaseNotFoundError();
  return error;
}
