/**
 * Time and chance as arguments. Everything that reads the time, waits or draws a random number takes a `Clock` (and a `Random`)
 * from its composition root; only this room touches Date.now, setTimeout and Math.random.
 */

export interface Timer {
  /** Stops the timer; it does nothing once the timer has fired. */
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since the epoch. */
  now(): number;
  /** Milliseconds on a clock that never steps. */
  monotonic(): number;
  /** Calls `fire` once after `delayMs`. Timers keep the process alive unless `background`. */
  setTimer(delayMs: number, fire: () => void, options?: { background?: boolean }): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** Asked several times a request, and the same for a second. */
let lastSecond = { second: Number.NaN, text: '' };

/** The present as the API writes it (RFC 3339, whole seconds): `2026-01-02T03:04:05Z`. */
export function timestamp(clock: Clock): string {
  const second = Math.floor(clock.now() / 1000);
  if (second !== lastSecond.second) lastSecond = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` };
  return lastSecond.text;
}

/** The present, or what was so many milliseconds ago, in MicroTime form: `2026-01-02T03:04:05.000000Z`. */
export function microTimestamp(clock: Clock, agoMs = 0): string {
  return `${new Date(clock.now() - agoMs).toISOString().slice(0, 23)}000Z`;
}

/** `sleep` in terms of `setTimer`, shared by all clocks. */
export function sleepWith(clock: Pick<Clock, 'setTimer'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
