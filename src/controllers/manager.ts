import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import {
  type Client,
  createEventBroadcaster,
  createInformerFactory,
  createWorkQueueMetrics,
  type LeaderElectionOptions,
  runLeaderElection,
} from '../client/index.ts';
import { type Clock, type Random, systemClock, systemRandom } from '../time/index.ts';
import { allControllers, offByDefault } from './all.ts';
import { serviceAccountOf } from './credentials.ts';
import { type Controller, type ControllerConfig, createControllerMetrics, defaultConfig, noMetrics } from './framework/index.ts';

export interface ControllerManagerOptions {
  /** What the shared informers and events use. */
  client: Client;
  /** The client that a controller writes with, so that each has its own user agent (and, if so wished, identity). Default: `client`. */
  clientFor?: (controller: string, serviceAccount: string) => Client;
  /** As --controllers: `*` for all that are on by default, `name` to switch on, `-name` to switch off. */
  controllers?: string | readonly string[];
  /** The controllers to choose from. */
  available?: readonly Controller[];
  /** Which feature gates are on, for controllers that ask for one; default: none. */
  isEnabled?: (gate: string) => boolean;
  /** Lead only while holding the lease (by default kube-system/kube-controller-manager). */
  leaderElect?:
    | false
    | (Pick<LeaderElectionOptions, 'identity'> &
        Partial<Pick<LeaderElectionOptions, 'name' | 'namespace' | 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'>>);
  clock?: Clock;
  random?: Random;
  logger?: Logger;
  registry?: Registry;
  /** The node or host that events come from. */
  host?: string;
  /** What differs from `defaultConfig`. */
  config?: Partial<ControllerConfig>;
  /** Called when all informers are filled. */
  onReady?: () => void;
}

/** The controllers that a --controllers list names. Throws on a name that is none. */
export function selectControllers(list: string | readonly string[], available: readonly Controller[]): Controller[] {
  const items = (typeof list === 'string' ? list.split(',') : [...list]).map((item) => item.trim()).filter((item) => item !== '');
  const matches = (item: string, name: string) => item === name || `${item}-controller` === name;
  for (const item of items) {
    const name = item.replace(/^-/, '');
    if (name !== '*' && !available.some((c) => matches(name, c.name))) throw new Error(`"${name}" is not in the list of known controllers`);
  }
  return available.filter(({ name }) => {
    const own = items.find((item) => matches(item.replace(/^-/, ''), name));
    if (own) return !own.startsWith('-');
    return items.includes('*') && !offByDefault.has(name);
  });
}

/**
 * Runs controllers over one set of informers until the signal is aborted. Rejects when leadership is lost or a controller
 * fails for good: the process is to start over.
 */
export async function runControllerManager(options: ControllerManagerOptions, signal: AbortSignal): Promise<void> {
  const { client, clock = systemClock, random = systemRandom, logger, host = '', leaderElect = false } = options;
  const { isEnabled = () => false } = options;
  const named = selectControllers(options.controllers ?? '*', options.available ?? allControllers);
  const chosen = named.filter(({ featureGate }) => featureGate === undefined || isEnabled(featureGate));
  const queueMetrics = options.registry && createWorkQueueMetrics(options.registry);
  const metrics = options.registry ? createControllerMetrics(options.registry) : noMetrics;
  const running = metrics.gauge('running_managed_controllers', 'Indicates where instances of a controller are currently running', [
    'name',
    'manager',
  ]);

  const lead = async (leading: AbortSignal): Promise<void> => {
    const ending = new AbortController();
    const both = AbortSignal.any([leading, ending.signal]);
    const informers = createInformerFactory({ client, clock, random, logger });
    const broadcaster = createEventBroadcaster({ client, clock, random, logger });
    const runs = chosen.map(async (controller) => {
      const account = serviceAccountOf(controller.name);
      const context = {
        client: (account !== undefined && options.clientFor?.(controller.name, account)) || client,
        informers,
        clock,
        random,
        logger: logger?.child({ controller: controller.name }),
        recorder: (component: string) => broadcaster.recorder(component, host),
        queueMetrics,
        metrics,
        config: { ...defaultConfig, ...options.config },
      };
      const instance = { name: controller.name, manager: 'kube-controller-manager' };
      running.set(instance, 1);
      await controller.run(context, both).finally(() => running.set(instance, 0));
      if (!both.aborted) logger?.info({ controller: controller.name }, 'controller ended of itself');
    });
    const informing = informers.run(both);
    informers.whenSynced(both).then(
      () => options.onReady?.(),
      () => undefined,
    );
    try {
      await Promise.all([informing, ...runs]);
    } finally {
      ending.abort(new Error('the controller manager ends'));
      broadcaster.close();
      await Promise.allSettled([informing, ...runs]);
    }
  };

  if (!leaderElect) return lead(signal);
  return runLeaderElection(
    {
      client,
      clock,
      random,
      logger,
      registry: options.registry,
      name: 'kube-controller-manager',
      namespace: 'kube-system',
      ...leaderElect,
    },
    lead,
    signal,
  );
}
