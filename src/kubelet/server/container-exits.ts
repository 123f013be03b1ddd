/** Tells when containers end, to those who follow their logs: one stream of runtime events for all of them. */
import type { Logger } from 'pino';
import { type Runtime, RuntimeError } from '../../runtime/index.ts';
import type { Clock } from '../../time/index.ts';

export interface ContainerExits {
  /** Resolves when the container does not run any more (or the signal is aborted). */
  whenStopped(containerId: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Upstream's stateCheckPeriod: the net under events that were lost while the runtime was away. */
const checkMs = 5_000;

export function containerExits({ runtime, clock, logger }: { runtime: Runtime; clock: Clock; logger: Logger }): ContainerExits {
  const closed = new AbortController();
  const waiting = new Map<string, Set<() => void>>();
  let listening: AbortController | undefined;

  const isRunning = async (containerId: string) => {
    try {
      const { status } = await runtime.containerStatus({ containerId });
      return status?.state === 'CONTAINER_RUNNING';
    } catch (error) {
      // While the runtime is away nothing is known, and the container may well run.
      return !(error instanceof RuntimeError && error.code === 'NOT_FOUND');
    }
  };

  const listen = async (own: AbortController) => {
    const signal = AbortSignal.any([own.signal, closed.signal]);
    try {
      for await (const event of runtime.events(signal)) {
        if (event.type !== 'stopped' && event.type !== 'deleted') continue;
        for (const check of waiting.get(event.containerId) ?? []) check();
      }
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error }, 'the stream of runtime events ended');
    } finally {
      if (listening === own) listening = undefined;
    }
  };
  const ensureListening = () => {
    if (listening !== undefined) return;
    listening = new AbortController();
    void listen(listening);
  };

  return {
    async whenStopped(containerId, given) {
      const signal = AbortSignal.any([given, closed.signal]);
      let wake = Promise.withResolvers<void>();
      const check = () => wake.resolve();
      const own = waiting.get(containerId) ?? new Set();
      waiting.set(containerId, own.add(check));
      signal.addEventListener('abort', check, { once: true });
      try {
        while (!signal.aborted) {
          ensureListening();
          wake = Promise.withResolvers();
          const timer = clock.setTimer(checkMs, check, { background: true });
          try {
            if (!(await isRunning(containerId))) return;
            await wake.promise;
          } finally {
            timer.cancel();
          }
        }
      } finally {
        signal.removeEventListener('abort', check);
        own.delete(check);
        if (own.size === 0 && waiting.get(containerId) === own) waiting.delete(containerId);
        if (waiting.size === 0) {
          listening?.abort();
          listening = undefined;
        }
      }
    },
    close: () => closed.abort(),
  };
}
