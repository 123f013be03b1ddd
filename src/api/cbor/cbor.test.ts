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

  it('reads what others may write: text strings, indefinite lengths, tags', () => {
    expect(decodeCbor(bytes('bf61619f0102ffff'))).toEqual({ a: [1, 2] });
    expect(decodeCbor(bytes('c074323031332d30332d32315432303a30343a30305a'))).toBe('2013-03-21T20:04:00Z');
  });

  it.each([
    ['a24161014161' + '02', 'found duplicate map key "a"'],
    ['f97e00', 'NaN'],
    ['c249010000000000000000', 'big integer'],
    ['0101', 'extraneous data'],
    ['5affffffff', 'unexpected EOF'],
    ['9b00ffffffffffffff', 'unexpected EOF'],
    ['a10101', 'cannot unmarshal number into Go value of type string'],
    ['61ff', 'invalid UTF-8'],
    [`${'81'.repeat(5000)}01`, 'exceeded max nested level'],
    ['', 'unexpected EOF'],
  ])('refuses %s', (encoded, message) => {
    expect(() => decodeCbor(bytes(encoded))).toThrow(message);
  });
});
