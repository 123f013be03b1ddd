import { expect, test } from 'vitest';
import { parseShardSelector, shardHash } from './sharding.ts';

const uid = 'object.metadata.uid';
const [zero, half, full] = ['0x0000000000000000', '0x8000000000000000', '0x10000000000000000'];

test.each([
  ['', 'cbf29ce484222325'],
  ['a', 'af63dc4c8601ec8c'],
  ['foobar', '85944171f73967e8'],
])('the hash of "%s" is FNV-1a', (text, hash) => {
  expect(shardHash(text)).toBe(hash);
});

test('an object is in the one shard whose range has its hash', () => {
  const object = {
    apiVersion: 'v1',
    kind: 'X',
    metadata: { name: 'n', namespace: 'a', uid: 'foobar', resourceVersion: '', creationTimestamp: '' },
  };
  const inside = (selector: string) => parseShardSelector(selector).matches(object);
  expect(inside(`shardRange(${uid}, '${zero}', '${half}')`)).toBe(false);
  expect(inside(`shardRange(${uid}, '${half}', '${full}')`)).toBe(true);
  expect(inside(`shardRange(${uid}, '${zero}', '${half}') || shardRange(${uid}, '${half}', '${full}')`)).toBe(true);
  expect(inside(`shardRange(${uid}, '0x85944171f73967e8', '0x85944171f73967e9')`)).toBe(true);
  expect(inside(`shardRange(${uid}, '0x85944171f73967e7', '0x85944171f73967e8')`)).toBe(false);
  expect(inside(`shardRange(object.metadata.namespace, '0xaf63dc4c8601ec8c', '${full}')`)).toBe(true);
  expect(parseShardSelector(`  shardRange( ${uid} ,"${zero}",'${half}')||shardRange(${uid},'${half}','${full}') `).text).toBe(
    `shardRange(${uid}, '${zero}', '${half}') || shardRange(${uid}, '${half}', '${full}')`,
  );
});

test.each([
  [' ', 'empty shard selector is not allowed; omit the parameter for unfiltered lists'],
  ['shardRange(', 'CEL parse error: '],
  [`${uid} > '0x0'`, 'unsupported function "_>_"; only shardRange() and || are allowed'],
  [`shardRange(${uid}, '${zero}', '${half}') && true`, 'unsupported function "_&&_"'],
  [uid, 'unexpected expression kind 7; expected shardRange() call or || operator'],
  [`other(${uid})`, 'unsupported function "other"'],
  [`shardRange(${uid}, '${zero}')`, 'shardRange() requires exactly 3 arguments, got 2'],
  [
    `shardRange('x', '${zero}', '${half}')`,
    'shardRange() first argument: expected field path (e.g. object.metadata.uid), got expression kind 5',
  ],
  [
    `shardRange(object.metadata.name, '${zero}', '${half}')`,
    'unsupported field path "object.metadata.name"; supported: object.metadata.uid, object.metadata.namespace',
  ],
  [`shardRange(${uid}, 0, '${half}')`, 'hexStart must be a string literal, got int64'],
  [`shardRange(${uid}, hex(0), '${half}')`, "hexStart must be a string literal (e.g. '0xff'), got expression kind 1"],
  [`shardRange(${uid}, '00', '${half}')`, `hexStart must have '0x' prefix, got "00"`],
  [`shardRange(${uid}, '0x', '${half}')`, "hexStart: hex value is required after '0x'"],
  [`shardRange(${uid}, '${zero}', '0x0g')`, 'hexEnd: invalid hex character "g" in "0x0g"'],
  [`shardRange(${uid}, '0x000000000000000000', '${half}')`, 'hexStart: hex value too long (18 chars, max 17): "000000000000000000"'],
  [`shardRange(${uid}, '${zero}', '0x10000000000000001')`, "hexEnd: 17-digit hex value must be '0x10000000000000000' (2^64)"],
  [`shardRange(${uid}, '${zero}', '0xff')`, '(did you mean "0x00000000000000ff"?)'],
  [`shardRange(${uid}, '${half}', '${half}')`, `shard range start ${half} must be less than end ${half}`],
  [
    `shardRange(${uid}, '${zero}', '${half}') || shardRange(object.metadata.namespace, '${half}', '${full}')`,
    'all shard ranges must use the same field, got "object.metadata.uid" and "object.metadata.namespace"',
  ],
])('%s is no selector', (selector, message) => {
  expect(() => parseShardSelector(selector)).toThrow(message);
});
