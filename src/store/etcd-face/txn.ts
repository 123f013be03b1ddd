/** Puts, deletes and transactions of etcd's clients as one step of the store. */
import type { StoredValue, Transaction } from '../store.ts';
import { keyInterval, keyText } from './key-interval.ts';
import {
  type Compare,
  type DeleteRangeRequest,
  header,
  keyValue,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from './messages.ts';
import { checkRange, rangeResponse } from './range.ts';
import { rpcError } from './rpc-error.ts';

/** etcd's --max-txn-ops. */
const maxOperations = 128;

export function checkPut({ key, value, lease, ignore_value, ignore_lease }: PutRequest): void {
  keyText(key);
  if (ignore_value && value.length > 0) throw rpcError('valueProvided');
  if (ignore_lease && lease !== 0) throw rpcError('leaseProvided');
}

/** What is wrong with a transaction whatever the store holds. */
export function checkTxn(txn: TxnRequest): void {
  if (Math.max(txn.compare.length, txn.success.length, txn.failure.length) > maxOperations) throw rpcError('tooManyOps');
  for (const { key } of txn.compare) if (key.length === 0) throw rpcError('emptyKey');
  for (const operations of [txn.success, txn.failure]) {
    for (const operation of operations) {
      if (operation.request_range) checkRange(operation.request_range);
      else if (operation.request_put) checkPut(operation.request_put);
      else if (operation.request_delete_range) keyInterval(operation.request_delete_range.key, operation.request_delete_range.range_end);
      else if (operation.request_txn) checkTxn(operation.request_txn);
    }
    checkDistinct(operations);
  }
}

interface Written {
  puts: string[];
  deletes: DeleteRangeRequest[];
}

/** A key may be put once, and not be deleted by the same transaction; of a nested one's branches only one happens. */
function checkDistinct(operations: readonly RequestOp[]): Written {
  const puts = new Set<string>();
  const deletes: DeleteRangeRequest[] = [];
  for (const operation of operations) {
    const branches = operation.request_txn
      ? [checkDistinct(operation.request_txn.success), checkDistinct(operation.request_txn.failure)]
      : [
          {
            puts: operation.request_put ? [operation.request_put.key.toString()] : [],
            deletes: operation.request_delete_range ? [operation.request_delete_range] : [],
          },
        ];
    for (const branch of branches) if (branch.puts.some((key) => puts.has(key))) throw rpcError('duplicateKey');
    for (const branch of branches) {
      for (const key of branch.puts) puts.add(key);
      deletes.push(...branch.deletes);
    }
  }
  for (const { key, range_end } of deletes) {
    const interval = keyInterval(key, range_end);
    for (const put of puts) if (interval.contains(put)) throw rpcError('duplicateKey');
  }
  return { puts: [...puts], deletes };
}

function valuesIn(txn: Transaction, key: Buffer, rangeEnd: Buffer): StoredValue[] {
  const interval = keyInterval(key, rangeEnd);
  if (interval.single) return [txn.get(interval.start)].flatMap((value) => value ?? []);
  return txn.range(interval.start, interval.isBeforeEnd).filter((value) => interval.contains(value.key));
}

const absent: Omit<StoredValue, 'key'> = { value: Buffer.alloc(0), createRevision: 0, modRevision: 0, version: 0, lease: 0 };

function holds(txn: Transaction, compare: Compare): boolean {
  const found = valuesIn(txn, compare.key, compare.range_end);
  if (found.length > 0) return found.every((value) => compareOne(compare, value));
  // A value that is not there is like no other; everything else of it is zero.
  if (compare.target === 'VALUE') return false;
  return compareOne(compare, { key: '', ...absent });
}

function compareOne(compare: Compare, value: StoredValue): boolean {
  const difference = {
    VALUE: () => Buffer.compare(value.value, compare.value ?? absent.value),
    VERSION: () => value.version - (compare.version ?? 0),
    CREATE: () => value.createRevision - (compare.create_revision ?? 0),
    MOD: () => value.modRevision - (compare.mod_revision ?? 0),
    LEASE: () => value.lease - (compare.lease ?? 0),
  }[compare.target]();
  switch (compare.result) {
    case 'EQUAL':
      return difference === 0;
    case 'NOT_EQUAL':
      return difference !== 0;
    case 'GREATER':
      return difference > 0;
    case 'LESS':
      return difference < 0;
  }
}

/** Which branch each transaction takes is settled, and what stands against it is found, before anything is written. */
interface Plan {
  succeeded: boolean;
  steps: (RequestOp & { plan?: Plan })[];
}

function plan(txn: Transaction, request: TxnRequest): Plan {
  const succeeded = request.compare.every((compare) => holds(txn, compare));
  const steps = (succeeded ? request.success : request.failure).map((operation) => {
    if (operation.request_put) refusePut(txn, operation.request_put);
    if (operation.request_range) refuseRange(txn, operation.request_range);
    return operation.request_txn ? { ...operation, plan: plan(txn, operation.request_txn) } : operation;
  });
  return { succeeded, steps };
}

function refusePut(txn: Transaction, { key, lease, ignore_value, ignore_lease }: PutRequest): void {
  if ((ignore_value || ignore_lease) && !txn.get(key.toString())) throw rpcError('keyNotFound');
  if (lease !== 0 && !txn.hasLease(lease)) throw rpcError('leaseNotFound');
}

/** Transactions read the present; clients that read the past do so on its own. */
function refuseRange(txn: Transaction, { revision }: RangeRequest): void {
  if (revision > txn.revision()) throw rpcError('futureRevision');
  if (revision > 0 && revision < txn.revision()) throw rpcError('pastInTxn');
}

export function put(txn: Transaction, request: PutRequest) {
  refusePut(txn, request);
  return doPut(txn, request);
}

function doPut(txn: Transaction, { key, value, lease, prev_kv, ignore_value, ignore_lease }: PutRequest) {
  const name = key.toString();
  const before = prev_kv || ignore_value || ignore_lease ? txn.get(name) : undefined;
  txn.put(name, ignore_value && before ? before.value : value, ignore_lease && before ? before.lease : lease);
  return { header: header(txn.revision()), ...(prev_kv && before ? { prev_kv: keyValue(before) } : {}) };
}

export function deleteRange(txn: Transaction, { key, range_end, prev_kv }: DeleteRangeRequest) {
  const found = valuesIn(txn, key, range_end);
  for (const value of found) txn.delete(value.key);
  return { header: header(txn.revision()), deleted: found.length, prev_kvs: prev_kv ? found.map((value) => keyValue(value)) : [] };
}

export function runTxn(txn: Transaction, request: TxnRequest) {
  return execute(txn, plan(txn, request));
}

function execute(txn: Transaction, { succeeded, steps }: Plan): { header: object; succeeded: boolean; responses: object[] } {
  const responses = steps.map((step) => {
    if (step.request_range) {
      const values = valuesIn(txn, step.request_range.key, step.request_range.range_end);
      return { response_range: rangeResponse(step.request_range, { values, count: values.length }, txn.revision()) };
    }
    if (step.request_put) return { response_put: doPut(txn, step.request_put) };
    if (step.request_delete_range) return { response_delete_range: deleteRange(txn, step.request_delete_range) };
    return step.plan ? { response_txn: execute(txn, step.plan) } : {};
  });
  return { header: header(txn.revision()), succeeded, responses };
}
