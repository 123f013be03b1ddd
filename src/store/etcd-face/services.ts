/** etcd's services over a store, method by method. */
import { crc32 } from 'node:zlib';
import type { ServerDuplexStream, ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../../time/index.ts';
import type { EtcdService } from '../etcd-proto.ts';
import { LeaseNotFoundError, type Store, type Transaction } from '../store.ts';
import { keyInterval, readInterval } from './key-interval.ts';
import {
  type DeleteRangeRequest,
  header,
  memberId,
  type PutRequest,
  type RangeRequest,
  raftTerm,
  type TxnRequest,
  type WatchRequest,
} from './messages.ts';
import { checkRange, isPlain, rangeResponse } from './range.ts';
import { rpcError, toRpcError } from './rpc-error.ts';
import { snapshot } from './snapshot.ts';
import { checkPut, checkTxn, deleteRange, put, runTxn } from './txn.ts';
import { serveWatch } from './watch.ts';

export interface FaceOptions {
  store: Store;
  clock: Clock;
  /** Where clients reach it: `https://HOST:PORT`. */
  clientUrls: () => string[];
  /** Ends watches and other streams. */
  lifetime: AbortSignal;
}

/** The etcd that clients may take it for: they ask whether it tells progress truly (from 3.5.8 on). */
export const etcdVersion = '3.5.21';
/** etcd's --max-request-bytes. */
const maxRequestBytes = 1.5 * 1024 * 1024;
const minLeaseSeconds = 2;
const maxLeaseSeconds = 9_000_000_000;

function unary<Q, R>(answer: (request: Q) => Promise<R>) {
  return (call: ServerUnaryCall<Q, R>, done: sendUnaryData<R>) => {
    answer(call.request).then(
      (response) => done(null, response),
      (error) => done(toRpcError(error)),
    );
  };
}

export function etcdServices({ store, clock, clientUrls, lifetime }: FaceOptions): Record<EtcdService, UntypedServiceImplementation> {
  const transact = <T>(step: (txn: Transaction) => T): Promise<T> => {
    if (!store.transact) throw new Error('the store has no transactions');
    return store.transact(step);
  };
  const plainHeader = async () => ({ header: header(await store.revision()) });
  const lease = (id: number) => {
    if (!Number.isSafeInteger(id)) throw rpcError('leaseIdTooLarge');
    return id;
  };
  const hash = async (revision: number) => {
    const found = await store.range('', revision > 0 ? { revision } : {});
    let sum = 0;
    for (const { key, value, modRevision } of found.values) sum = crc32(value, crc32(`${key}\0${modRevision}\0`, sum));
    return { sum, revision: found.revision };
  };

  const KV = {
    Range: unary(async (request: RangeRequest) => {
      checkRange(request);
      const interval = keyInterval(request.key, request.range_end);
      const limit = isPlain(request) ? request.limit : 0;
      const [found, now] = await Promise.all([
        readInterval(store, interval, { revision: request.revision, limit, countOnly: request.count_only }),
        request.revision > 0 ? store.revision() : 0,
      ]);
      return rangeResponse(request, found, now || found.revision);
    }),
    Put: unary(async (request: PutRequest) => {
      checkPut(request);
      if (request.value.length > maxRequestBytes) throw rpcError('tooLarge');
      lease(request.lease);
      return transact((txn) => put(txn, request));
    }),
    DeleteRange: unary(async (request: DeleteRangeRequest) => {
      keyInterval(request.key, request.range_end);
      return transact((txn) => deleteRange(txn, request));
    }),
    Txn: unary(async (request: TxnRequest) => {
      checkTxn(request);
      const size = [...request.success, ...request.failure].reduce((sum, op) => sum + (op.request_put?.value.length ?? 0), 0);
      if (size > maxRequestBytes) throw rpcError('tooLarge');
      return transact((txn) => runTxn(txn, request));
    }),
    Compact: unary(async ({ revision }: { revision: number }) => {
      await store.compact(revision);
      return plainHeader();
    }),
  };

  const Lease = {
    LeaseGrant: unary(async ({ TTL, ID }: { TTL: number; ID: number }) => {
      if (TTL > maxLeaseSeconds) throw rpcError('leaseTtlTooLarge');
      const made = await store.grantLease(Math.max(TTL, minLeaseSeconds), lease(ID) || undefined);
      return { ...(await plainHeader()), ID: made.id, TTL: made.ttlSeconds };
    }),
    LeaseRevoke: unary(async ({ ID }: { ID: number }) => {
      await store.revokeLease(lease(ID));
      return plainHeader();
    }),
    LeaseKeepAlive: (call: ServerDuplexStream<{ ID: number }, object>) => {
      const answer = async (ID: number) => {
        const TTL = await store.keepAlive(ID).then(
          (kept) => kept.ttlSeconds,
          (error: unknown) => {
            if (error instanceof LeaseNotFoundError) return 0;
            throw error;
          },
        );
        call.write({ ...(await plainHeader()), ID, TTL });
      };
      call.on('data', ({ ID }: { ID: number }) => void answer(ID).catch((error) => call.emit('error', toRpcError(error))));
      call.on('end', () => call.end());
      const end = () => call.end();
      lifetime.addEventListener('abort', end, { once: true });
      call.on('close', () => lifetime.removeEventListener('abort', end));
    },
    LeaseTimeToLive: unary(async ({ ID, keys }: { ID: number; keys: boolean }) => {
      const found = (await store.leases()).find((l) => l.id === ID);
      const base = { ...(await plainHeader()), ID };
      // etcd's clients take this for a lease that has ended.
      if (!found) return { ...base, TTL: -1, grantedTTL: 0, keys: [] };
      return {
        ...base,
        TTL: found.remainingTtlSeconds,
        grantedTTL: found.grantedTtlSeconds,
        keys: keys ? found.keys.map((key) => Buffer.from(key)) : [],
      };
    }),
    LeaseLeases: unary(async () => ({ ...(await plainHeader()), leases: (await store.leases()).map(({ id }) => ({ ID: id })) })),
  };

  const Maintenance = {
    Alarm: unary(async () => ({ ...(await plainHeader()), alarms: [] })),
    Status: unary(async () => {
      const [revision, sizeBytes] = await Promise.all([store.revision(), store.sizeBytes()]);
      return {
        header: header(revision),
        version: etcdVersion,
        dbSize: sizeBytes,
        dbSizeInUse: sizeBytes,
        leader: memberId,
        raftIndex: revision,
        raftAppliedIndex: revision,
        raftTerm,
        storageVersion: '3.5.0',
      };
    }),
    Defragment: unary(async () => {
      await store.defragment?.();
      return plainHeader();
    }),
    Hash: unary(async () => {
      const { sum, revision } = await hash(0);
      return { header: header(revision), hash: sum };
    }),
    HashKV: unary(async ({ revision }: { revision: number }) => {
      const { sum, revision: at } = await hash(revision);
      return { ...(await plainHeader()), hash: sum, compact_revision: 0, hash_revision: at };
    }),
    Snapshot: (call: ServerWritableStream<object, object>) => {
      const stream = async () => {
        const first = await plainHeader();
        for await (const { blob, remaining } of snapshot(store)) {
          if (call.cancelled) return;
          if (!call.write({ ...first, blob, remaining_bytes: remaining, version: etcdVersion }))
            await new Promise((resolve) => {
              call.once('drain', resolve);
              call.once('close', resolve);
              call.once('cancelled', resolve);
            });
        }
        call.end();
      };
      stream().catch((error) => call.emit('error', toRpcError(error)));
    },
    MoveLeader: unary(async () => Promise.reject(rpcError('oneMember'))),
    Downgrade: unary(async () => Promise.reject(rpcError('oneMember'))),
  };

  const refused = unary(async () => Promise.reject(rpcError('oneMember')));
  const noAuth = unary(async () => Promise.reject(rpcError('authNotEnabled')));
  return {
    KV,
    Lease,
    Maintenance,
    Watch: { Watch: (call: ServerDuplexStream<WatchRequest, object>) => serveWatch(store, clock, call, lifetime) },
    Cluster: {
      MemberList: unary(async () => {
        const urls = clientUrls();
        return { ...(await plainHeader()), members: [{ ID: memberId, name: 'k8ts', peerURLs: urls, clientURLs: urls, isLearner: false }] };
      }),
      MemberAdd: refused,
      MemberRemove: refused,
      MemberUpdate: refused,
      MemberPromote: refused,
    },
    Auth: {
      AuthStatus: unary(async () => ({ ...(await plainHeader()), enabled: false, authRevision: 1 })),
      AuthDisable: unary(plainHeader),
      ...Object.fromEntries(
        ['AuthEnable', 'Authenticate', 'UserAdd', 'UserGet', 'UserList', 'UserDelete', 'UserChangePassword', 'UserGrantRole']
          .concat(['UserRevokeRole', 'RoleAdd', 'RoleGet', 'RoleList', 'RoleDelete', 'RoleGrantPermission', 'RoleRevokePermission'])
          .map((method) => [method, noAuth]),
      ),
    },
  };
}
