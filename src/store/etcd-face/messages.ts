/** etcd's requests and answers, as gRPC hands them over. */
import type { StoredValue } from '../store.ts';

export interface RangeRequest {
  key: Buffer;
  range_end: Buffer;
  limit: number;
  revision: number;
  sort_order: 'NONE' | 'ASCEND' | 'DESCEND';
  sort_target: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';
  keys_only: boolean;
  count_only: boolean;
  min_mod_revision: number;
  max_mod_revision: number;
  min_create_revision: number;
  max_create_revision: number;
}

export interface PutRequest {
  key: Buffer;
  value: Buffer;
  lease: number;
  prev_kv: boolean;
  ignore_value: boolean;
  ignore_lease: boolean;
}

export interface DeleteRangeRequest {
  key: Buffer;
  range_end: Buffer;
  prev_kv: boolean;
}

export interface Compare {
  result: 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL';
  target: 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE';
  key: Buffer;
  range_end: Buffer;
  version?: number;
  create_revision?: number;
  mod_revision?: number;
  value?: Buffer;
  lease?: number;
}

export interface RequestOp {
  request_range?: RangeRequest | null;
  request_put?: PutRequest | null;
  request_delete_range?: DeleteRangeRequest | null;
  request_txn?: TxnRequest | null;
}

export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}

export interface WatchRequest {
  create_request?: WatchCreateRequest | null;
  cancel_request?: { watch_id: number } | null;
  progress_request?: object | null;
}

export interface WatchCreateRequest {
  key: Buffer;
  range_end: Buffer;
  start_revision: number;
  progress_notify: boolean;
  filters: ('NOPUT' | 'NODELETE')[];
  prev_kv: boolean;
  watch_id: number;
  fragment: boolean;
}

/** The single member that the store is to etcd's clients. */
export const memberId = 0x6b387473;
const clusterId = 0x6b387473636c;
export const raftTerm = 2;

export const header = (revision: number) => ({ cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm });

export const keyValue = (stored: StoredValue, keysOnly = false) => ({
  key: Buffer.from(stored.key),
  value: keysOnly ? Buffer.alloc(0) : stored.value,
  create_revision: stored.createRevision,
  mod_revision: stored.modRevision,
  version: stored.version,
  lease: stored.lease,
});
