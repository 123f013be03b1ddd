import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../json-text.ts';
import { parseApiVersion } from '../resource.ts';
import { kindNode, structNode } from '../schema/table.ts';
import { decodeMessage, decodeProtobuf, openEnvelope } from './decode.ts';
import { encodeProtobuf } from './encode.ts';

const golden = new URL('../../../../shared/golden/', import.meta.url);
const files = existsSync(golden) ? readdirSync(golden).filter((f) => f.endsWith('.json')) : [];

describe.skipIf(files.length === 0)('golden objects of upstream (skipped where ../shared/golden is absent)', () => {
  it.each(files)('%s', (file) => {
    const object = JSON.parse(readFileSync(new URL(file, golden), 'utf8'));
    const bytes = new Uint8Array(readFileSync(new URL(file.replace(/json$/, 'pb'), golden)));
    const node = kindNode({ ...parseApiVersion(object.apiVersion), kind: object.kind });
    if (!node) throw new Error(`no type for ${file}`);
    expect(decodeProtobuf(node, bytes)).toEqual(object);
    expect(Buffer.from(encodeProtobuf(node, object)).equals(Buffer.from(bytes))).toBe(true);
  });
});

describe('protobuf', () => {
  const pod = structNode('core.v1.Pod');

  it('round-trips negative and large numbers, empty objects and names from the prototype', () => {
    const object = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { generation: 2 ** 52, labels: JSON.parse('{"__proto__":"x","ü":"😀"}'), creationTimestamp: '1931-01-01T00:00:00Z' },
      spec: { containers: [], priority: -5, volumes: [{ name: 'v', emptyDir: {} }] },
      status: {},
    };
    expect(decodeProtobuf(pod, encodeProtobuf(pod, object))).toEqual(object);
  });

  it('refuses what is no envelope', () => {
    expect(() => openEnvelope(new TextEncoder().encode('{}'))).toThrow(
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    );
  });

  it.each([
    ['text that is no UTF-8', '0a030a0161' + '0a04' + '1a0261ff', { name: 'a', namespace: 'a\ufffd' }],
    ['a message twice, which adds up', '0a030a0161' + '0a031a0162', { name: 'a', namespace: 'b' }],
    ['a group, which is skipped', '73' + '08011a0161' + '74' + '0a030a0161', { name: 'a' }],
  ])('takes %s', (_what, hex, metadata) => {
    expect(decodeMessage(pod, Uint8Array.from(Buffer.from(hex, 'hex')))).toMatchObject({ metadata });
  });

  it.each([
    ['74', 'proto: wiretype end group for non-group'],
    ['7308', 'unexpected EOF'],
    ['0a05', 'unexpected EOF'],
  ])('refuses %s', (hex, message) => {
    expect(() => decodeMessage(pod, Uint8Array.from(Buffer.from(hex, 'hex')))).toThrow(message);
  });

  it('throws nothing but a DecodeError whatever the bytes', () => {
    const valid = encodeProtobuf(pod, {
      kind: 'Pod',
      apiVersion: 'v1',
      ...{ metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = valid.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          decodeProtobuf(pod, bytes);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});
