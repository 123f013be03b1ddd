/** etcd's key ranges: bytes from `key` to before `range_end`, over a store whose keys are text. */
import type { Store, StoredValue } from '../store.ts';
import { rpcError } from './rpc-error.ts';

export interface KeyInterval {
  /** Where the range is of one key only. */
  readonly single: boolean;
  /** The key, or the text from which on to look. */
  readonly start: string;
  /** Everything in it begins with this. */
  readonly prefix: string;
  /** Whether it is all that begins with `prefix` and is not before `start`. */
  readonly isPrefix: boolean;
  contains(key: string): boolean;
  isBeforeEnd(key: string): boolean;
}

const isZero = (bytes: Buffer) => bytes.length === 1 && bytes[0] === 0;

/** The text of a key that is to be written. */
export function keyText(key: Buffer): string {
  if (key.length === 0) throw rpcError('emptyKey');
  const text = key.toString();
  if (!Buffer.from(text).equals(key)) throw rpcError('keyNotText');
  return text;
}

/** The longest text that the bytes begin with. */
function textWithin(bytes: Buffer): string {
  let length = bytes.length;
  while (length > 0 && !Buffer.from(bytes.subarray(0, length).toString()).equals(bytes.subarray(0, length))) length--;
  return bytes.subarray(0, length).toString();
}

function commonPrefix(a: Buffer, b: Buffer): Buffer {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return a.subarray(0, length);
}

/** The prefix whose keys all come before `end` and are followed by it; undefined where `end` is no such end. */
function prefixBefore(end: Buffer): string | undefined {
  const last = end.at(-1);
  if (!last) return undefined;
  const prefix = Buffer.concat([end.subarray(0, -1), Buffer.of(last - 1)]);
  const text = prefix.toString();
  return Buffer.from(text).equals(prefix) ? text : undefined;
}

export function keyInterval(key: Buffer, rangeEnd: Buffer): KeyInterval {
  if (key.length === 0) throw rpcError('emptyKey');
  if (rangeEnd.length === 0) {
    const text = keyText(key);
    return { single: true, start: text, prefix: text, isPrefix: false, contains: (k) => k === text, isBeforeEnd: (k) => k === text };
  }
  // From NUL on is from the very first key on.
  const from = isZero(key) ? Buffer.alloc(0) : key;
  const unbounded = isZero(rangeEnd);
  const end = unbounded ? undefined : rangeEnd;
  const start = textWithin(from);
  const isBeforeEnd = (k: string) => !end || Buffer.compare(Buffer.from(k), end) < 0;
  const contains = (k: string) => isBeforeEnd(k) && Buffer.compare(Buffer.from(k), from) >= 0;
  const whole = end ? prefixBefore(end) : '';
  const isWhole = whole !== undefined && start.startsWith(whole) && start.length === from.toString().length;
  const prefix = isWhole ? whole : end ? textWithin(commonPrefix(from, end)) : '';
  return { single: false, start, prefix, isPrefix: isWhole, contains, isBeforeEnd };
}

const page = 1000;

/** What an interval holds at a revision (0: now): at most `limit` values (0: all), and the number of all. */
export async function readInterval(
  store: Store,
  interval: KeyInterval,
  options: { revision: number; limit: number; countOnly?: boolean },
): Promise<{ revision: number; values: StoredValue[]; count: number }> {
  const { revision, limit, countOnly = false } = options;
  const at = revision > 0 ? { revision } : {};
  const { prefix, start } = interval;
  if (interval.single) {
    // The key is the first of those that begin with it; with the answer comes the revision that it is true of.
    const found = await store.range(prefix, { ...at, limit: 1 });
    const values = found.values.filter((v) => v.key === start);
    return { revision: found.revision, values: countOnly ? [] : values, count: values.length };
  }
  if (interval.isPrefix) {
    const found = await store.range(prefix, { ...at, startKey: start, ...(limit > 0 ? { limit } : {}), countOnly });
    return { revision: found.revision, values: found.values, count: found.count };
  }
  const values: StoredValue[] = [];
  let count = 0;
  let seen = revision;
  for (let from = start; ; ) {
    const found = await store.range(prefix, { ...(seen > 0 ? { revision: seen } : {}), startKey: from, limit: page });
    seen ||= found.revision;
    for (const value of found.values) {
      if (!interval.contains(value.key)) continue;
      count++;
      if (!countOnly && (limit === 0 || values.length < limit)) values.push(value);
    }
    const last = found.values.at(-1);
    if (!found.more || !last || !interval.isBeforeEnd(last.key)) return { revision: seen, values, count };
    from = `${last.key}\0`;
  }
}
