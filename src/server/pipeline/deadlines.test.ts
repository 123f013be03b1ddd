import { expect, test } from 'vitest';
import { VirtualClock } from '../../time/index.ts';
import { Deadlines } from './deadlines.ts';

test('what is not removed in time expires when it is due, whatever came before and after it', async () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock);
  const expired: string[] = [];
  const add = (givenMs: number, name: string) => deadlines.add(givenMs, () => expired.push(name));
  const first = add(1000, 'first');
  await clock.advance(400);
  add(1000, 'second');
  add(200, 'hasty');
  await clock.advance(300);
  expect(expired).toEqual(['hasty']);
  deadlines.remove(first);
  await clock.advance(699);
  expect(expired).toEqual(['hasty']);
  await clock.advance(1);
  expect(expired).toEqual(['hasty', 'second']);
  add(1000, 'third');
  await clock.advance(1000);
  expect(expired).toEqual(['hasty', 'second', 'third']);
});
