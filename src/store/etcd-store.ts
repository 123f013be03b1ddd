import { type Clock, type Random, systemClock, systemRandom } from '../time/index.ts';
import { EtcdError, etcdClient } from './etcd-client.ts';
import type { EtcdTls } from './etcd-member.ts';
import type { EtcdKeyValue, EtcdService, RangeResponse, TxnResponse } from './etcd-proto.ts';
import { etcdWatches, keysBelow } from './etcd-watch.ts';
import {
  CompactedError,
  FutureRevisionError,
  LeaseNotFoundError,
  type Operation,
  RequestTooLargeError,
  type Store,
  StoreClosedError,
  type StoredValue,
  type WatchOptions,
} from './store.ts';

export interface EtcdStoreOptions {
  /** `https://HOST:PORT`, `http://HOST:PORT` or `HOST:PORT`; several are members of one cluster. */
  endpoints: readonly string[];
  tls?: EtcdTls;
  /** Where etcd's authentication is enabled; needs read and write permission for the keys below `keyPrefix`. */
  user?: { name: string; password: string };
  /**
   * Only keys below it are watched, and read to learn of the present revision, so that the user may be restricted to them and others
   * may use the same etcd. The default is all keys.
   */
  keyPrefix?: string;
  clock?: Clock;
  /** For lease ids. */
  random?: Random;
  /** How long a request looks for a member that serves it. Default 10 s. */
  patienceMs?: number;
}

/** Below the prefix: written where only a write of our own can say how far a watch has seen (etcd-watch.ts). */
const progressKey = 'k8ts-watch-progress';

/**
 * A store in a real etcd, 3.4 or later. Compaction is left to whoever calls `compact`. It outlives members that fail: requests go to
 * the next one, and so do watches (etcd-watch.ts).
 */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  const { endpoints, tls, user, keyPrefix = '', clock = systemClock, random = systemRandom, patienceMs } = options;
  const client = etcdClient({ endpoints, tls, user, clock, patienceMs });
  const inFlight = new Set<Promise<unknown>>();
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
  const tick = () => call('KV', 'Put', { key: Buffer.from(`${keyPrefix}${progressKey}`), value: Buffer.of() });
  const watches = etcdWatches({ client, clock, keyPrefix, tick });
  const newestRevision = async () => {
    const { revision } = (await range({ key: Buffer.from(keyPrefix || '\0'), limit: 1, count_only: true })).header;
    watches.expect(revision);
    return revision;
  };

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
      }).catch((error: unknown) => {
        throw error instanceof RequestTooLargeError ? RequestTooLargeError.of(operations) : error;
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
      return { [Symbol.asyncIterator]: () => watches.watch(prefix, start, signal) };
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
      watches.close();
      client.close();
    },
  };
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

/** The store's own errors where etcd's words are theirs. */
function storeError(error: unknown): unknown {
  if (!(error instanceof EtcdError)) return error;
  if (error.details.includes('required revision has been compacted')) return new CompactedError(0);
  if (/request is too large|message larger than max/i.test(error.details)) return new RequestTooLargeError();
  if (error.details.includes('required revision is a future revision')) return new FutureRevisionError();
  if (error.details.includes('requested lease not found')) return new LeaseNotFoundError();
  return error;
}
