import type { Logger } from 'pino';
import { hasReason } from '../api/index.ts';
import type { Clock } from '../time/index.ts';
import { abortable, type Informer } from './informer.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { WorkQueue } from './work-queue.ts';
import type { WorkQueueMetrics } from './work-queue-metrics.ts';

/** What a reconcile wants beside having succeeded. */
export interface ReconcileResult {
  /** Look again after this long, if nothing else makes it look sooner. */
  requeueAfterMs?: number;
}

/** Reads the world as it is for one key, compares, acts. Safe to run twice, late, or after a crash. Throwing asks for another try, later and later. */
// biome-ignore lint/suspicious/noConfusingVoidType: a reconcile that has nothing to add returns nothing
export type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>;

export interface ControllerOptions {
  /** Also the queue's name in metrics. */
  name: string;
  clock: Clock;
  reconcile: Reconcile;
  /** How many keys are worked on at the same time. */
  workers?: number;
  /** Informers whose caches must be filled before the first reconcile. */
  informers?: readonly Pick<Informer<never>, 'whenSynced'>[];
  /** The queue that event handlers add to; made by `createControllerQueue`. */
  queue: WorkQueue;
  logger?: Logger | undefined;
  /** Give a key up after so many failures in a row; by default never. */
  maxRetries?: number;
}

/** A queue for `runController`, with upstream's rate limits unless told otherwise. */
export function createControllerQueue(options: {
  name: string;
  clock: Clock;
  metrics?: WorkQueueMetrics | undefined;
  rateLimiter?: RateLimiter;
}): WorkQueue {
  const { name, clock, metrics, rateLimiter } = options;
  const queue = new WorkQueue({ clock, observer: metrics?.observer(name), ...(rateLimiter ? { rateLimiter } : {}) });
  metrics?.track(name, queue);
  return queue;
}

/** Works the queue's keys off until the signal is aborted, then waits for the reconciles under way. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { name, queue, workers = 1, reconcile, logger, maxRetries = Number.POSITIVE_INFINITY } = options;
  const onAbort = () => queue.shutDown();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();

  const work = async (): Promise<void> => {
    for (;;) {
      const key = await queue.take();
      if (key === undefined || signal.aborted) return;
      try {
        const result = await reconcile(key, signal);
        queue.forget(key);
        if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      } catch (error) {
        if (signal.aborted) return;
        const level = hasReason(error, 'Conflict') ? 'debug' : 'error';
        if (queue.requeues(key) < maxRetries) {
          logger?.[level]({ controller: name, key, err: error }, 'reconcile failed, trying again');
          queue.addRateLimited(key);
        } else {
          logger?.error({ controller: name, key, err: error }, 'reconcile failed too often, giving up until the next change');
          queue.forget(key);
        }
      } finally {
        queue.done(key);
      }
    }
  };

  try {
    await abortable(Promise.all((options.informers ?? []).map((informer) => informer.whenSynced())), signal);
    await Promise.all(Array.from({ length: workers }, work));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    queue.shutDown();
  }
}
