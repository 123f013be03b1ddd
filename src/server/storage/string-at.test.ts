import { expect, test } from 'vitest';
import { stringAt } from './string-at.ts';

const at = (text: string, path = 'spec.nodeName') => stringAt(Buffer.from(text), path.split('.'));

test.each([
  [{ kind: 'Pod', metadata: { name: 'a' }, spec: { nodeName: 'n' } }, 'n'],
  [{ spec: { containers: [{ nodeName: 'x', args: ['}', '"', '\\'] }], n: -1.5e3, ok: true, none: null, nodeName: 'n' } }, 'n'],
  [
    { metadata: { annotations: { a: '{"spec":{"nodeName":"x"}}' } }, nodeName: 'x', spec: { a: {}, b: [], nodeName: 'ü 😀 "quoted"\n' } },
    'ü 😀 "quoted"\n',
  ],
  [{ spec: { nodeName: '' } }, ''],
  [{ spec: {} }, ''],
  [{ spec: { template: { spec: { nodeName: 'x' } } }, status: { nodeName: 'y' } }, ''],
  [{}, ''],
  [{ spec: { numbers: [[1, 2], [{ a: [] }]], last: 1 }, after: 'x' }, ''],
])('of %j it is %j', (object, expected) => {
  expect(at(JSON.stringify(object))).toBe(expected);
});

test.each([
  ['{ "spec": {"nodeName":"n"}}'],
  ['{"spec":{"nodeN\\u0061me":"n"}}'],
  ['{"spec":null}'],
  ['{"spec":{"nodeName":7}}'],
  ['[]'],
  [''],
  ['{"spec":{"nodeName":'],
  ['{"spec":{"a":"'],
])('%j is for a decoder', (text) => {
  expect(at(text)).toBeUndefined();
});

test('of every cut of a text it answers what is there, or nothing', () => {
  const text = JSON.stringify({ a: { b: ['c', { d: '\\"' }] }, spec: { nodeName: 'node' } });
  for (let length = 0; length < text.length; length++)
    expect([undefined, '', 'node'.slice(0, 4)]).toContain(at(text.slice(0, length))?.replace(/^n(o(d?)?)?$/, 'node'));
});
