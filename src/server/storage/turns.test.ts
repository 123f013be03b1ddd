import { expect, test } from 'vitest';
import { VirtualClock } from '../../time/index.ts';
import { type Turn, Turns } from './turns.ts';

/** Takes turns and tells who has had one. */
function line() {
  const clock = new VirtualClock();
  const turns = new Turns(clock);
  const order: string[] = [];
  const take = (key: string, who: string): Promise<Turn> =>
    turns.take(key).then((turn) => {
      order.push(who);
      return turn;
    });
  return { clock, turns, order, take };
}

test('turns at a key come in the order in which they were asked for, one after the other', async () => {
  const { turns, order, take } = line();
  const first = await take('a', 'first');
  const [second, third] = [take('a', 'second'), take('a', 'third')];
  await take('b', 'of another key');
  expect(order).toEqual(['first', 'of another key']);
  first.end();
  first.end();
  (await second).end();
  expect(turns.isTaken('a')).toBe(true);
  (await third).end();
  expect(order).toEqual(['first', 'of another key', 'second', 'third']);
  expect(turns.isTaken('a')).toBe(false);
});

test('a turn that lasts long lets the next one go', async () => {
  const { clock, turns, order, take } = line();
  const first = await take('a', 'first');
  const second = take('a', 'second');
  await clock.advance(999);
  expect(order).toEqual(['first']);
  await clock.advance(1);
  const turn = await second;
  first.end();
  expect(turns.isTaken('a')).toBe(true);
  turn.end();
  expect(turns.isTaken('a')).toBe(false);
});
