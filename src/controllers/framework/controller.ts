/**
 * A controller makes the world what one kind of object says it should be. It looks through informers, decides in pure functions
 * over plain objects, and acts through its client; a queue of keys tells it where to look. It keeps no truth of its own.
 */
import type { Logger } from 'pino';
import {
  type Client,
  createControllerQueue,
  type EventRecorder,
  type Informer,
  type RateLimiter,
  type Reconcile,
  runController,
  type SharedInformerFactory,
  type WorkQueue,
  type WorkQueueMetrics,
} from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { ControllerConfig } from './config.ts';
import type { ControllerMetrics } from './metrics.ts';

export interface ControllerContext {
  client: Client;
  informers: SharedInformerFactory;
  clock: Clock;
  random: Random;
  logger?: Logger | undefined;
  /** A recorder whose events say that they come from this component. */
  recorder(component: string): EventRecorder;
  queueMetrics?: WorkQueueMetrics | undefined;
  metrics: ControllerMetrics;
  config: ControllerConfig;
}

export interface Controller {
  /** As in kube-controller-manager's --controllers. */
  readonly name: string;
  /** Runs only where this feature gate is on. */
  readonly featureGate?: string;
  /** Runs until the signal is aborted. */
  run(context: ControllerContext, signal: AbortSignal): Promise<void>;
}

export interface ControllerParts {
  /** Informers that must be filled before the first reconcile. */
  informers: readonly Pick<Informer<never>, 'whenSynced'>[];
  reconcile: Reconcile;
  workers?: number;
}

/**
 * A controller of the common shape: one queue, handlers that add keys to it, one reconcile function. `setUp` attaches the
 * handlers and answers the parts.
 */
export function defineController(
  name: string,
  setUp: (context: ControllerContext, queue: WorkQueue) => ControllerParts,
  options: { queueName?: string; rateLimiter?: (clock: Clock) => RateLimiter } = {},
): Controller {
  return {
    name,
    async run(context, signal) {
      const { clock, logger, queueMetrics, config } = context;
      const queue = createControllerQueue({
        name: options.queueName ?? name,
        clock,
        metrics: queueMetrics,
        ...(options.rateLimiter ? { rateLimiter: options.rateLimiter(clock) } : {}),
      });
      const parts = setUp(context, queue);
      await runController(
        {
          name,
          clock,
          queue,
          logger,
          workers: config.concurrentSyncs[name] ?? parts.workers ?? 5,
          informers: parts.informers,
          reconcile: parts.reconcile,
        },
        signal,
      );
    },
  };
}
