import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import { Pod } from '../api/index.ts';
import {
  type Client,
  createEventBroadcaster,
  createInformerFactory,
  type EventBroadcaster,
  type EventRecorder,
  type LeaderElectionOptions,
  runLeaderElection,
  type SharedInformerFactory,
} from '../client/index.ts';
import { type Clock, type Random, systemClock, systemRandom } from '../time/index.ts';
import { Background } from './background.ts';
import { SchedulerCache } from './cache/cache.ts';
import { addEventHandlers } from './event-handlers.ts';
import { createExtender } from './extender/extender.ts';
import { extenderName } from './extender/schedule-pod.ts';
import { anyEvent, type EventRegistration } from './framework/cluster-event.ts';
import {
  defaultSchedulerName,
  type KubeSchedulerProfile,
  type NodeResourcesFitArgs,
  type SchedulerConfig,
  schedulerNameOf,
} from './framework/config.ts';
import type { Handle, Registry } from './framework/handle.ts';
import { createProfile, type Profile } from './framework/profile.ts';
import { createSchedulerMetrics } from './metrics.ts';
import { defaultPlugins, inTreePlugins } from './plugins/index.ts';
import { Nominator } from './queue/nominator.ts';
import { SchedulingQueue } from './queue/scheduling-queue.ts';
import { type Algorithm, activeFilters, filterWithNominated, runAddPod, runFilters, runRemovePod } from './schedule-pod.ts';
import { runSchedulingLoop } from './scheduler.ts';
import { WaitingPods } from './waiting-pods.ts';

export interface SchedulerOptions {
  client: Client;
  /** The caller runs them. Without, the scheduler makes and runs its own. */
  informers?: SharedInformerFactory | undefined;
  clock?: Clock;
  random?: Random;
  logger?: Logger | undefined;
  /** As in KubeSchedulerConfiguration (`kubescheduler.config.k8s.io/v1`). */
  config?: SchedulerConfig | undefined;
  /** Schedule only while holding the lease (by default kube-system/kube-scheduler). */
  leaderElect?:
    | false
    | (Pick<LeaderElectionOptions, 'identity'> &
        Partial<Pick<LeaderElectionOptions, 'name' | 'namespace' | 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'>>);
  /** Gets upstream's scheduler_* metrics. */
  metrics?: MetricsRegistry | undefined;
  /** Where events go; without, the scheduler makes its own broadcaster. */
  broadcaster?: EventBroadcaster | undefined;
  /** The host that events come from. */
  host?: string;
  /** Plugins beside those that come with the scheduler, by name; a profile must enable them. */
  plugins?: Registry;
  /** Called when the caches are filled and scheduling begins. */
  onReady?: () => void;
}

/**
 * Gives every pod that waits for one of its profiles a node, until the signal is aborted. Rejects when leadership is lost, or
 * when the configuration makes no sense.
 */
export async function runScheduler(options: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const { client, clock = systemClock, random = systemRandom, logger, leaderElect = false } = options;
  if (!leaderElect) return schedule(options, signal);
  await runLeaderElection(
    { client, clock, random, logger, registry: options.metrics, name: 'kube-scheduler', namespace: 'kube-system', ...leaderElect },
    (leading) => schedule(options, leading),
    signal,
  );
}

async function schedule(options: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const { client, clock = systemClock, random = systemRandom, logger, config = {}, host = '' } = options;
  const ending = new AbortController();
  const both = AbortSignal.any([signal, ending.signal]);
  const informers = options.informers ?? createInformerFactory({ client, clock, random, logger });
  const broadcaster = options.broadcaster ?? createEventBroadcaster({ client, clock, random, logger });
  const background = new Background(both, logger);
  const cache = new SchedulerCache();
  const nominator = new Nominator();
  const waitingPods = new WaitingPods(clock);
  const recorders = new Map<string, EventRecorder>();
  const profiles = new Map<string, Profile>();
  // What the metrics show; the queue comes after the profiles, whose plugins may already count.
  const gauges = {
    pending: () => queue.sizes,
    cacheSize: () => ({ nodes: cache.nodes.length, pods: cache.podCount, assumed_pods: cache.assumedCount }),
  };
  const metrics = options.metrics && createSchedulerMetrics(options.metrics, gauges);
  const algorithm: Algorithm = {
    cache,
    nominator,
    random,
    percentageOfNodesToScore: config.percentageOfNodesToScore ?? 0,
    nextStart: 0,
    now: () => clock.monotonic(),
    ...(metrics
      ? {
          observe: (point, profile, startedMs) =>
            metrics.pointTook(point, 'Success', profile.schedulerName, (clock.monotonic() - startedMs) / 1000),
        }
      : {}),
  };

  const extenders = (config.extenders ?? []).map(createExtender);
  for (const profileConfig of config.profiles?.length ? config.profiles : [{}]) {
    const schedulerName = profileConfig.schedulerName ?? defaultSchedulerName;
    if (profiles.has(schedulerName)) throw new Error(`duplicate profile with scheduler name ${JSON.stringify(schedulerName)}`);
    const recorder = broadcaster.recorder(schedulerName, host);
    const own = (): Profile => {
      const profile = profiles.get(schedulerName);
      if (!profile) throw new Error(`profile ${schedulerName} is used before it is made`);
      return profile;
    };
    const handle: Handle = {
      client,
      informers,
      clock,
      random,
      cache,
      nominator,
      recorder,
      logger,
      schedulerName,
      filter: (state, pod, node) => filterWithNominated(algorithm, own(), state, pod, node),
      filterAlone: (state, pod, node) => runFilters(activeFilters(own(), state), state, pod, node),
      addPod: (state, pod, other, node) => runAddPod(own(), state, pod, other, node),
      removePod: (state, pod, other, node) => runRemovePod(own(), state, pod, other, node),
      background: (what, work) => background.run(what, work),
      release: (pod) => queue.release(pod),
      rejectWaitingPod: (uid, plugin, message) => waitingPods.reject(uid, plugin, message),
      allowWaitingPod: (uid, plugin) => waitingPods.allow(uid, plugin),
      preempted: (victims) => metrics?.preempted(victims),
    };
    recorders.set(schedulerName, recorder);
    const registry = { ...inTreePlugins, ...options.plugins };
    const ignored = (config.extenders ?? []).flatMap((e) =>
      (e.managedResources ?? []).filter((r) => r.ignoredByScheduler).map((r) => r.name),
    );
    profiles.set(schedulerName, createProfile(ignoring(profileConfig, ignored), schedulerName, registry, defaultPlugins, handle));
  }

  const queue = createQueue(profiles, config, clock, metrics?.incoming);
  const removeHandlers = addEventHandlers(informers, {
    cache,
    queue,
    nominator,
    isOurs: (pod) => profiles.has(schedulerNameOf(pod)),
    onDelete: (pod) => waitingPods.reject(pod.metadata.uid, '', 'removed'),
  });
  const onAbort = () => queue.close();
  both.addEventListener('abort', onAbort, { once: true });
  if (both.aborted) onAbort();
  const informing = options.informers ? Promise.resolve() : informers.run(both);
  const scheduling = (async () => {
    // Whatever the informers' caches lack would be decided upon wrongly.
    await informers.whenSynced(both);
    options.onReady?.();
    const pods = informers.for(Pod).lister;
    await runSchedulingLoop({
      ...{ client, clock, logger, algorithm, extenders, queue, profiles, recorders, pods, background, waitingPods, metrics },
      signal: both,
    });
  })();
  try {
    await Promise.all([scheduling, informing]);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    ending.abort(new Error('the scheduler ends'));
    both.removeEventListener('abort', onAbort);
    removeHandlers();
    await Promise.allSettled([scheduling, informing, background.finished()]);
    if (!options.broadcaster) broadcaster.close();
  }
}

/** Resources that extenders look after are none of the scheduler's business. */
function ignoring(profile: KubeSchedulerProfile, resources: readonly string[]): KubeSchedulerProfile {
  if (resources.length === 0) return profile;
  const own = profile.pluginConfig ?? [];
  const fit = own.find((c) => c.name === 'NodeResourcesFit');
  const { ignoredResources = [], ...args } = (fit?.args ?? {}) as NodeResourcesFitArgs;
  const merged = { name: 'NodeResourcesFit', args: { ...args, ignoredResources: [...ignoredResources, ...resources] } };
  return { ...profile, pluginConfig: [...own.filter((c) => c !== fit), merged] };
}

function createQueue(
  profiles: ReadonlyMap<string, Profile>,
  config: SchedulerConfig,
  clock: Clock,
  onIncoming: ((queue: 'active' | 'backoff' | 'unschedulable' | 'gated', event: string) => void) | undefined,
): SchedulingQueue {
  const [first] = profiles.values();
  const sort = first?.at.compare[0];
  if (!sort) throw new Error('no profile is configured');
  // One queue serves all profiles, so they must agree on its order.
  for (const { at, schedulerName } of profiles.values()) {
    if (at.compare[0]?.name !== sort.name) throw new Error(`profile ${schedulerName}: different queue sort plugins`);
  }
  const registrations = new Map<string, readonly EventRegistration[]>();
  for (const profile of profiles.values()) {
    for (const plugin of profile.plugins) registrations.set(plugin.name, plugin.events?.() ?? []);
  }
  // Nobody knows what an extender waits for.
  registrations.set(extenderName, [anyEvent]);
  return new SchedulingQueue({
    clock,
    before: (a, b) => sort.compare(a, b) < 0,
    registrations,
    gate(pod) {
      for (const plugin of profiles.get(schedulerNameOf(pod))?.at.preEnqueue ?? []) {
        const held = plugin.preEnqueue(pod);
        if (held) return held;
      }
      return undefined;
    },
    initialBackoffMs: (config.podInitialBackoffSeconds ?? 1) * 1000,
    maxBackoffMs: (config.podMaxBackoffSeconds ?? 10) * 1000,
    ...(onIncoming ? { onIncoming } : {}),
  });
}
