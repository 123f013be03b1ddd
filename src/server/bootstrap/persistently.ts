import type { Clock } from '../../time/index.ts';

const retryMs = 10_000;

/**
 * Does the work, again and again until it succeeds. Resolves after the first try, so that a server's start does not depend on it:
 * admission may ask webhooks that only run where there is a server.
 */
export async function persistently(
  work: () => Promise<void>,
  { clock, signal, onError }: { clock: Clock; signal: AbortSignal; onError(error: unknown): void },
): Promise<void> {
  const isDone = (): Promise<boolean> =>
    work().then(
      () => true,
      (error: unknown) => {
        if (!signal.aborted) onError(error);
        return signal.aborted;
      },
    );
  const goOn = async () => {
    do await clock.sleep(retryMs, signal).catch(() => {});
    while (!signal.aborted && !(await isDone()));
  };
  if (!(await isDone())) void goOn();
}
