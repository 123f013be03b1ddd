import { describe, expect, it } from 'vitest';
import { decodeCbor } from './cbor/decode.ts';
import { encodeCbor } from './cbor/encode.ts';
import { decodeJson } from './decode-object.ts';
import { parseExactly } from './long-integers.ts';
import { decodeProtobuf } from './protobuf/decode.ts';
import { encodeProtobuf } from './protobuf/encode.ts';
import { kindNode } from './schema/table.ts';

const largest = '9223372036854775807';
const smallest = '-9223372036854775808';

describe('integers of 64 bits', () => {
  it('keep their digits through JSON, and others stay as they were', () => {
    const text = `{"a":9007199254740993,"b":[${largest},${smallest}],"c":"9007199254740993","d":9007199254740991,"e":1.5}`;
    expect(JSON.stringify(parseExactly(text))).toBe(text);
    expect(parseExactly('[9007199254740991,-3,1234567890123456789]')).toEqual([9007199254740991, -3, 1234567890123456789n]);
    // Not of 64 bits, or no integers: floats, as in Go.
    expect(parseExactly('[9223372036854775808,1234567890123456.5,1e300]')).toEqual([2 ** 63, 1234567890123456.5, 1e300]);
  });

  it('are found wherever they stand', () => {
    for (let before = 0; before < 40; before++) {
      const text = `${' '.repeat(before)}[9007199254740993]`;
      expect(parseExactly(text)).toEqual([9007199254740993n]);
    }
  });

  const pod = (grace: string, port = '80') =>
    `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"terminationGracePeriodSeconds":${grace},"containers":[{"name":"c","ports":[{"containerPort":${port}}]}]}}`;
  const decoded = (text: string) => decodeJson(text, { group: '', version: 'v1', kind: 'Pod' }).object;

  it('are what fields of int64 take, and no more than that', () => {
    expect(JSON.stringify(decoded(pod(largest)))).toContain(`"terminationGracePeriodSeconds":${largest}`);
    expect(() => decoded(pod('9223372036854775808'))).toThrow(/cannot unmarshal number 9223372036854775808 into .* of type int64/);
    expect(() => decoded(pod('30', largest))).toThrow(
      `json: cannot unmarshal number ${largest} into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32`,
    );
    expect(() => decoded(pod('30').replace('"p"', largest))).toThrow(/cannot unmarshal number into .* of type string/);
  });

  it('go through protobuf and CBOR', () => {
    const object = decoded(pod(largest));
    const node = kindNode({ group: '', version: 'v1', kind: 'Pod' });
    if (!node) throw new Error('no Pod');
    expect(decodeProtobuf(node, encodeProtobuf(node, object))).toMatchObject({ spec: { terminationGracePeriodSeconds: BigInt(largest) } });
    const values = { a: BigInt(largest), b: BigInt(smallest), c: -1 };
    expect(decodeCbor(encodeCbor(values))).toEqual(values);
  });
});
