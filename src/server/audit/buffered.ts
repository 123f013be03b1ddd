import type { Logger } from 'pino';
import { createTokenBucket } from '../../client/index.ts';
import type { Clock, Timer } from '../../time/index.ts';
import type { AuditBackend } from './backend.ts';
import type { AuditEvent } from './event.ts';
import type { AuditMetrics } from './metrics.ts';

export interface BatchOptions {
  /** --audit-*-batch-buffer-size: so many events wait before further ones are dropped. */
  bufferSize: number;
  /** --audit-*-batch-max-size. */
  maxBatchSize: number;
  /** --audit-*-batch-max-wait, in milliseconds; 0: no batch waits for more. */
  maxWaitMs: number;
  /** Whether a batch need not wait until the one before has been taken: a receiver that hangs holds up that batch only. */
  concurrent: boolean;
  /** --audit-*-batch-throttle-*; undefined: as fast as batches come. */
  throttle?: { qps: number; burst: number };
}

/** Collects events and hands them on in batches, aside from the requests they tell of. */
export function buffered(
  backend: AuditBackend,
  options: BatchOptions,
  { clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: AuditMetrics },
): AuditBackend {
  const { bufferSize, maxBatchSize, maxWaitMs, concurrent, throttle } = options;
  const bucket = throttle && createTokenBucket(clock, throttle.qps, throttle.burst);
  let waiting: AuditEvent[] = [];
  let timer: Timer | undefined;
  const closing = new AbortController();
  /** What makes batches and sends them on their way. */
  let sending: Promise<void> = Promise.resolve();
  /** Batches that nobody waits for but the end. */
  const underWay = new Set<Promise<unknown>>();
  let isDraining = false;

  const drain = async (all: () => boolean) => {
    isDraining = true;
    try {
      while (waiting.length >= maxBatchSize || (waiting.length > 0 && all())) {
        const delayMs = bucket?.reserve() ?? 0;
        // At the end there is no time to be polite.
        if (delayMs > 0) await clock.sleep(delayMs, closing.signal).catch(() => {});
        const batch = waiting.slice(0, maxBatchSize);
        waiting = waiting.slice(maxBatchSize);
        const taken = backend.process(batch);
        if (!concurrent) await taken;
        else if (taken instanceof Promise) {
          underWay.add(taken);
          // Backends never throw.
          void taken.finally(() => underWay.delete(taken));
        }
      }
    } finally {
      isDraining = false;
    }
  };
  const send = (all: boolean) => {
    if (isDraining && !all) return;
    sending = sending.then(() => drain(() => all || closing.signal.aborted));
  };

  return {
    process(events) {
      const room = closing.signal.aborted ? 0 : bufferSize - waiting.length;
      for (const event of events.slice(0, Math.max(0, room))) waiting.push(event);
      const lost = events.length - Math.max(0, Math.min(room, events.length));
      if (lost > 0) {
        metrics.failed('buffered', lost);
        logger.error(
          `Error in audit plugin "buffered" affecting ${lost} audit events: ${closing.signal.aborted ? 'audit backend shut down' : 'audit buffer queue blocked'}`,
        );
      }
      if (waiting.length >= maxBatchSize) send(false);
      else if (waiting.length > 0 && timer === undefined) {
        const fire = () => {
          timer = undefined;
          send(true);
        };
        timer = clock.setTimer(maxWaitMs, fire, { background: true });
      }
      return true;
    },
    async close() {
      closing.abort(new Error('audit backend shut down'));
      timer?.cancel();
      send(true);
      await sending;
      await Promise.all(underWay);
      await backend.close();
    },
  };
}
