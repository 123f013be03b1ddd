import { expect, test } from 'vitest';
import { seededRandom } from '../time/index.ts';
import { compareKeys } from './key-order.ts';
import { SortedList } from './sorted-list.ts';

test('holds what a sorted list holds', () => {
  const random = seededRandom(3);
  const keys = new SortedList(String);
  const model = new Set<string>();
  const some = () => `/${'abc'[Math.floor(random.next() * 3)]}/${Math.floor(random.next() * 3000)}${random.next() < 0.1 ? '😀' : ''}`;
  for (let round = 0; round < 20_000; round++) {
    const key = some();
    if (random.next() < 0.65) {
      keys.set(key);
      model.add(key);
    } else {
      keys.delete(key);
      model.delete(key);
    }
    if (round % 1000 !== 999) continue;
    const sorted = [...model].sort(compareKeys);
    expect([...keys.below('')]).toEqual(sorted);
    for (let i = 0; i < 20; i++) {
      const start = some();
      const prefix = start.slice(0, 1 + Math.floor(random.next() * 4));
      expect(keys.countBelow(start, '/a')).toBe(sorted.filter((k) => k.startsWith(start)).length);
      const after = sorted.filter((k) => compareKeys(k, start) >= 0);
      expect([...keys.below('', start)]).toEqual(after);
      expect([...keys.below(prefix, start)]).toEqual(after.filter((k) => k.startsWith(prefix)));
      expect(keys.countBelow(prefix, start)).toBe(after.filter((k) => k.startsWith(prefix)).length);
    }
  }
});
