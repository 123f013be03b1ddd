import { expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { collectAtRest } from './collect-at-rest.ts';

const megabyte = 2 ** 20;

test('what a burst has left is collected when the process has come to rest, once', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const process = { cpuMs: 0, resident: 100 * megabyte, collections: 0 };
  const running = collectAtRest(
    {
      clock,
      collect: () => {
        process.collections++;
        process.resident -= 30 * megabyte;
      },
      cpuMs: () => process.cpuMs,
      residentBytes: () => process.resident,
    },
    stop.signal,
  );
  // Starting is a burst, too.
  process.cpuMs += 900;
  await clock.advance(10_000);
  expect(process.collections).toBe(0);
  await clock.advance(10_000);
  expect(process.collections).toBe(1);
  process.resident += 5 * megabyte;
  await clock.advance(60_000);
  expect(process.collections).toBe(1);
  process.resident += 40 * megabyte;
  process.cpuMs += 5000;
  await clock.advance(10_000);
  expect(process.collections).toBe(1);
  process.cpuMs += 100;
  await clock.advance(10_000);
  expect(process.collections).toBe(2);
  // What went by itself may come again.
  process.resident = 40 * megabyte;
  await clock.advance(10_000);
  process.resident = 60 * megabyte;
  await clock.advance(10_000);
  expect(process.collections).toBe(3);
  stop.abort(new Error('the test is over'));
  await expect(running).rejects.toThrow('the test is over');
});
