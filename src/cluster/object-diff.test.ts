import { expect, test } from 'vitest';
import { diff } from './object-diff.ts';

test.each([
  ['what is the same', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, []],
  ['a field', { spec: { replicas: 1 } }, { spec: { replicas: 3 } }, [['spec.replicas', 1, 3]]],
  [
    'a field that comes and one that goes',
    { a: 1 },
    { b: 2 },
    [
      ['a', 1, undefined],
      ['b', undefined, 2],
    ],
  ],
  ['a key that is no word', { labels: {} }, { labels: { 'a.b/c': 'd' } }, [['labels["a.b/c"]', undefined, 'd']]],
  ['elements by name', { c: [{ name: 'x', v: 1 }, { name: 'y' }] }, { c: [{ name: 'y' }, { name: 'x', v: 2 }] }, [['c[x].v', 1, 2]]],
  ['elements without names', { c: [1, 2] }, { c: [1, 3] }, [['c[1]', 2, 3]]],
  ['lists of other lengths', { c: [1] }, { c: [1, 2] }, [['c', [1], [1, 2]]]],
  ['another type', { a: { b: 1 } }, { a: [1] }, [['a', { b: 1 }, [1]]]],
  ['null', { a: null }, { a: {} }, [['a', null, {}]]],
])('%s', (_, before, after, expected) => {
  expect(diff(before, after).map((c) => [c.path, c.before, c.after])).toEqual(expected);
});
