import { expect, test } from 'vitest';
import { VirtualClock } from './virtual.ts';

test('timers fire in the order of their due time as the clock advances', async () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  clock.setTimer(20, () => fired.push('b'));
  clock.setTimer(10, () => {
    fired.push('a');
    clock.setTimer(5, () => fired.push('a2'));
  });
  await clock.advance(16);
  expect(fired).toEqual(['a', 'a2']);
  await clock.advance(10);
  expect(fired).toEqual(['a', 'a2', 'b']);
  expect(clock.pending).toBe(0);
});

test('an aborted sleep rejects with the reason and leaves no timer', async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const slept = clock.sleep(1000, controller.signal);
  controller.abort(new Error('enough'));
  await expect(slept).rejects.toThrow('enough');
  expect(clock.pending).toBe(0);
});
