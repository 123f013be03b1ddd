import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

type Truthy<T> = Exclude<T, undefined | null | false | '' | 0>;

/** Tries until `check` answers something true, and answers that; throws with the last failure after the deadline. */
export async function eventually<T>(what: string, check: () => Promise<T> | T, timeoutMs = 30_000): Promise<Truthy<T>> {
  const deadline = performance.now() + timeoutMs;
  let failure: unknown;
  for (let pauseMs = 10; performance.now() < deadline; pauseMs = Math.min(pauseMs * 1.5, 500)) {
    try {
      const result = await check();
      if (result) return result as Truthy<T>; // as was just seen
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await pause(pauseMs);
  }
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}`, { cause: failure });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
