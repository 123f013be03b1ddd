import { type Clock, type Random, sleepWith } from './clock.ts';

/** setTimeout counts in a signed 32-bit number of milliseconds; longer delays go in steps. */
const longestTimeoutMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, fire, options) {
    let handle: NodeJS.Timeout;
    const arm = (left: number) => {
      const step = Math.min(left, longestTimeoutMs);
      handle = setTimeout(() => (left > step ? arm(left - step) : fire()), step);
      if (options?.background) handle.unref();
    };
    arm(Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
  sleep: (delayMs, signal) => sleepWith(systemClock, delayMs, signal),
};

export const systemRandom: Random = { next: () => Math.random() };
