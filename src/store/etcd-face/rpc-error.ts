/** Errors in etcd's own codes and words (etcd's api/v3rpc/rpctypes). */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { CompactedError, FutureRevisionError, LeaseNotFoundError, StoreClosedError } from '../store.ts';

export class RpcError extends Error implements ServiceError {
  readonly code: status;
  readonly details: string;
  readonly metadata = new Metadata();
  constructor(code: status, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

const table = {
  emptyKey: [status.INVALID_ARGUMENT, 'etcdserver: key is not provided'],
  keyNotFound: [status.INVALID_ARGUMENT, 'etcdserver: key not found'],
  valueProvided: [status.INVALID_ARGUMENT, 'etcdserver: value is provided'],
  leaseProvided: [status.INVALID_ARGUMENT, 'etcdserver: lease is provided'],
  tooManyOps: [status.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request'],
  duplicateKey: [status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request'],
  tooLarge: [status.INVALID_ARGUMENT, 'etcdserver: request is too large'],
  invalidSort: [status.INVALID_ARGUMENT, 'etcdserver: invalid sort option'],
  keyNotText: [status.INVALID_ARGUMENT, 'etcdserver: keys of this store are UTF-8 text'],
  compacted: [status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
  futureRevision: [status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'],
  leaseNotFound: [status.NOT_FOUND, 'etcdserver: requested lease not found'],
  leaseExists: [status.FAILED_PRECONDITION, 'etcdserver: lease already exists'],
  leaseTtlTooLarge: [status.OUT_OF_RANGE, 'etcdserver: too large lease TTL'],
  leaseIdTooLarge: [status.INVALID_ARGUMENT, 'etcdserver: lease ids of this store are below 2^53'],
  noSpace: [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'],
  stopped: [status.UNAVAILABLE, 'etcdserver: server stopped'],
  authNotEnabled: [status.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled'],
  pastInTxn: [status.UNIMPLEMENTED, 'etcdserver: transactions of this store read the present'],
  oneMember: [status.FAILED_PRECONDITION, 'etcdserver: this store has one member'],
} as const;

export function rpcError(name: keyof typeof table): RpcError {
  const [code, details] = table[name];
  return new RpcError(code, details);
}

/** Whatever failed, as etcd would say it. */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof CompactedError) return rpcError('compacted');
  if (error instanceof FutureRevisionError) return rpcError('futureRevision');
  if (error instanceof LeaseNotFoundError) return rpcError('leaseNotFound');
  if (error instanceof StoreClosedError) return rpcError('stopped');
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes('lease already exists')) return rpcError('leaseExists');
  if (message.includes('database space exceeded')) return rpcError('noSpace');
  return new RpcError(status.UNKNOWN, message);
}
