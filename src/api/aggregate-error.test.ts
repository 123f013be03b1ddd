import { expect, test } from 'vitest';
import { aggregateError, aggregateMessage } from './aggregate-error.ts';

test('several errors are one, in which nothing is said twice', () => {
  expect(aggregateMessage([])).toBe('');
  expect(aggregateMessage(['one', 'one'])).toBe('one');
  expect(aggregateMessage(['two', 'one', 'two'])).toBe('[two, one]');
  const [one, other] = [new TypeError('one'), new RangeError('other')];
  expect(aggregateError([])).toBeUndefined();
  expect(aggregateError([one, new Error('one')])).toBe(one);
  expect(aggregateError([one, other])).toMatchObject({ message: '[one, other]', cause: one });
});
