import { describe, expect, it } from 'vitest';
import { structNode } from '../schema/table.ts';
import { decodeCbor } from './decode.ts';
import { encodeCbor } from './encode.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

describe('CBOR', () => {
  it.each([
    [{ b: 1, aa: 'x', a: true }, 'd9d9f7a34161f5416201426161' + '4178'],
    [[0, 23, 24, 255, 256, 65536, 4294967296, -1, -25], 'd9d9f7890017181818ff1901001a000100001b0000000100000000203818'],
    [[1.5, 100000.5, 1.1, 2 ** -24], 'd9d9f784f93e00fa47c35040fb3ff199999999999af90001'],
    [[null, false, [], {}], 'd9d9f784f6f480a0'],
    ['é', 'd9d9f742c3a9'],
  ])('writes %j as upstream does, and reads it', (value, encoded) => {
    expect(hex(encodeCbor(value))).toBe(encoded);
    expect(decodeCbor(bytes(encoded))).toEqual(value);
  });

  it('writes the bytes of a []byte field', () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { k: 'AQID' } };
    const encoded = encodeCbor(secret, structNode('core.v1.Secret'));
    expect(hex(encoded)).toContain('d643010203');
    expect(decodeCbor(encoded)).toEqual(secret);
  });

  it.each([
    ['c11a43b940e5', '2006-01-02T15:04:05Z'],
    ['c1f9bc00', '1969-12-31T23:59:59Z'],
    ['c1fb41d0ee5039700000', '2006-01-02T15:04:05.75Z'],
    ['c48221196ab3', [-2, 27315]],
    ['a143abcdef187b', { '\ufffd\ufffd\ufffd': 123 }],
    ['d64401020304', 'AQIDBA=='],
    ['d54401020304', 'AQIDBA'],
    ['d74401020304', '01020304'],
    [`${'81'.repeat(500)}01`, JSON.parse(`${'['.repeat(500)}1${']'.repeat(500)}`)],
  ])('reads %s', (encoded, value) => {
    expect(decodeCbor(bytes(encoded))).toEqual(value);
  });

  it('reads what others may write: text strings, indefinite lengths, tags', () => {
    expect(decodeCbor(bytes('bf61619f0102ffff'))).toEqual({ a: [1, 2] });
    expect(decodeCbor(bytes('c074323031332d30332d32315432303a30343a30305a'))).toBe('2013-03-21T20:04:00Z');
  });

  it.each([
    ['a24161014161' + '02', 'found duplicate map key "a"'],
    ['f97e00', 'cbor: data item of cbor type primitives is not accepted by protocol: floating-point NaN'],
    ['fa7f800000', 'cbor: data item of cbor type primitives is not accepted by protocol: floating-point infinity'],
    ['f7', 'cbor: data item of cbor type primitives is not accepted by protocol: simple value 23 is not recognized'],
    ['f8ff', 'cbor: data item of cbor type primitives is not accepted by protocol: simple value 255 is not recognized'],
    ['f818', 'cbor: invalid simple value 24 for type primitives'],
    ['c249010000000000000000', 'cbor: data item of cbor type tag is not accepted by protocol: bignum'],
    [
      '1bffffffffffffffff',
      "cbor: cannot unmarshal positive integer into Go value of type int64 (18446744073709551615 overflows Go's int64)",
    ],
    [
      '3bffffffffffffffff',
      "cbor: cannot unmarshal negative integer into Go value of type int64 (-18446744073709551616 overflows Go's int64)",
    ],
    ['c054323030362d30312d30325431353a30343a30355a', 'cbor: tag number 0 must be followed by text string, got byte string'],
    ['c06474657874', 'parsing time "text" as "2006-01-02T15:04:05Z07:00": cannot parse "text" as "2006"'],
    ['c11b0000003afff44181', 'cbor: decoded time cannot be represented in RFC3339 format'],
    ['c11b000a003afff44181', 'year outside of range [0,9999]'],
    ['fc', 'cbor: invalid additional information 28 for type primitives'],
    ['81ff', 'cbor: unexpected "break" code'],
    ['a2414101614102', 'cbor: found duplicate map key "A" at map element index 1'],
    ['a1fb40091eb851eb851f63706965', 'cbor: cannot unmarshal primitives into Go value of type string'],
    ['0101', 'extraneous data'],
    ['5affffffff', 'unexpected EOF'],
    ['9b00ffffffffffffff', 'unexpected EOF'],
    ['a10101', 'cbor: cannot unmarshal positive integer into Go value of type string'],
    ['61ff', 'invalid UTF-8'],
    [`${'81'.repeat(5000)}01`, 'exceeded max nested level'],
    ['', 'unexpected EOF'],
  ])('refuses %s', (encoded, message) => {
    expect(() => decodeCbor(bytes(encoded))).toThrow(message);
  });
});
