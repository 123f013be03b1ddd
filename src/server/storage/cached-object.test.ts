import { expect, test } from 'vitest';
import { CachedObject } from './cached-object.ts';

const cases: Record<string, [stored: string, served: string]> = {
  'in our order': [
    '{"kind":"A","apiVersion":"v1","metadata":{"name":"x"}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"x"}}',
  ],
  'with apiVersion first': [
    '{"apiVersion":"v1","kind":"A","metadata":{"name":"x"}}',
    '{"apiVersion":"v1","kind":"A","metadata":{"resourceVersion":"7","name":"x"}}',
  ],
  'with empty metadata': [
    '{"kind":"A","apiVersion":"v1","metadata":{}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"7"}}',
  ],
  'with another metadata before its own': [
    '{"kind":"A","apiVersion":"v1","spec":{"template":{"metadata":{"name":"inner"}}},"metadata":{"name":"x"}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"x"},"spec":{"template":{"metadata":{"name":"inner"}}}}',
  ],
  'with characters beyond ASCII': [
    '{"kind":"A","apiVersion":"v1","metadata":{"name":"x"},"data":{"é":"😀"}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"x"},"data":{"é":"😀"}}',
  ],
};

test.each(Object.entries(cases))('an object stored %s is served with its resourceVersion, and under another one', (_, [stored, served]) => {
  const cached = CachedObject.of('/x', 7, Buffer.from(stored));
  expect(cached.bytes.toString()).toBe(served);
  expect(cached.object.metadata.resourceVersion).toBe('7');
  const again = cached.restamped(1234);
  expect(again.bytes.toString()).toBe(served.replace('"7"', '"1234"'));
  expect(again.object.metadata.resourceVersion).toBe('1234');
  expect(cached.bytes.toString()).toBe(served);
  expect(cached.stored().includes('resourceVersion')).toBe(false);
  expect(cached.isStoredAs(cached.stored())).toBe(true);
  for (const other of [cached.stored().subarray(1), Buffer.from(cached.stored().toString().replace('v1', 'v2'))])
    expect(cached.isStoredAs(other)).toBe(false);
});
