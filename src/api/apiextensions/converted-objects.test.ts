import { expect, test } from 'vitest';
import type { KubeObject } from '../resource.ts';
import { ConvertedObjects } from './converted-objects.ts';

const object = (apiVersion: string, metadata: object = {}): KubeObject & { spec?: unknown } => ({
  apiVersion,
  kind: 'Foo',
  metadata: { name: 'a', uid: '', resourceVersion: '', creationTimestamp: '', ...metadata },
  spec: {},
});

test('a conversion is remembered until what was converted is something else', () => {
  const known = new ConvertedObjects();
  const [from, to] = [object('example.com/v1', { labels: { a: 'b' } }), object('example.com/v2', { labels: { c: 'd' } })];
  expect(known.get(from)).toBeUndefined();
  known.set(from, to);
  expect(known.get(from)).toBe(to);
  from.metadata.uid = '1';
  expect(known.get(from)).toEqual({ ...to, metadata: { ...to.metadata, uid: '1' } });
  expect(known.get(from)).toBe(known.get(from));
  from.spec = { changed: true };
  expect(known.get(from)).toBeUndefined();
});

test('labels that were changed since may be converted to others', () => {
  const known = new ConvertedObjects();
  const from = object('example.com/v1');
  known.set(from, object('example.com/v2'));
  from.metadata.labels = { a: 'b' };
  expect(known.get(from)).toBeUndefined();
});
