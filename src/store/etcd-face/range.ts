/** The answer to a RangeRequest from what its interval holds. */
import { compareKeys } from '../key-order.ts';
import type { StoredValue } from '../store.ts';
import { header, keyValue, type RangeRequest } from './messages.ts';
import { rpcError } from './rpc-error.ts';

/** Whether the keys' order and the number asked for are all that selects, so that a limit may be left to the store. */
export function isPlain(request: RangeRequest): boolean {
  const { sort_order: order, sort_target: target } = request;
  const inKeyOrder = order === 'NONE' ? target === 'KEY' : order === 'ASCEND' && target === 'KEY';
  return (
    inKeyOrder && !request.min_mod_revision && !request.max_mod_revision && !request.min_create_revision && !request.max_create_revision
  );
}

export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw rpcError('emptyKey');
  // Where a number has come that stands for nothing.
  if (typeof request.sort_order !== 'string' || typeof request.sort_target !== 'string') throw rpcError('invalidSort');
}

const orders: Record<RangeRequest['sort_target'], (a: StoredValue, b: StoredValue) => number> = {
  KEY: (a, b) => compareKeys(a.key, b.key),
  VERSION: (a, b) => a.version - b.version,
  CREATE: (a, b) => a.createRevision - b.createRevision,
  MOD: (a, b) => a.modRevision - b.modRevision,
  VALUE: (a, b) => Buffer.compare(a.value, b.value),
};

export function rangeResponse(request: RangeRequest, found: { values: StoredValue[]; count: number }, revision: number) {
  if (request.count_only) return { header: header(revision), kvs: [], more: false, count: found.count };
  let { values } = found;
  if (!isPlain(request)) {
    const { min_mod_revision: minMod, max_mod_revision: maxMod, min_create_revision: minCreate, max_create_revision: maxCreate } = request;
    values = values.filter(
      (v) =>
        (!minMod || v.modRevision >= minMod) &&
        (!maxMod || v.modRevision <= maxMod) &&
        (!minCreate || v.createRevision >= minCreate) &&
        (!maxCreate || v.createRevision <= maxCreate),
    );
    const sign = request.sort_order === 'DESCEND' ? -1 : 1;
    const order = orders[request.sort_target];
    values = values.sort((a, b) => sign * order(a, b));
  }
  const limited = request.limit > 0 ? values.slice(0, request.limit) : values;
  const more = limited.length < (isPlain(request) ? found.count : values.length);
  return { header: header(revision), kvs: limited.map((v) => keyValue(v, request.keys_only)), more, count: found.count };
}
