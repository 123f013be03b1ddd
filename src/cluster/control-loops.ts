/** The controller manager and the scheduler of a control plane: beside its API server or in processes of their own. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { Pod } from '../api/index.ts';
import { type Client, createInformerFactory, LeadershipLostError } from '../client/index.ts';
import { runControllerManager } from '../controllers/index.ts';
import type { Pki } from '../pki/index.ts';
import { registerPodResourceMetrics, runScheduler } from '../scheduler/index.ts';
import type { ComponentServer } from '../server/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { accountCredentials, signingAuthority } from './authority-flags.ts';
import { serveComponent } from './component-endpoints.ts';
import type { ComponentEnvironment } from './component-process.ts';
import type { ClusterConfig, ComponentArgs } from './config.ts';
import { controllerManagerFlags, leaderElection, schedulerFlags } from './control-plane-flags.ts';
import { controllerConfig } from './controller-manager-flags.ts';
import { parseFeatureGates } from './feature-gates.ts';
import { checkFlags, flag } from './flags.ts';
import { schedulerConfiguration, withConfiguredElection } from './scheduler-configuration.ts';

export interface ControlLoopOptions {
  config: ClusterConfig;
  pki: Pki;
  logger: Logger;
  metrics: MetricsRegistry;
  /** The scheduler's of what pods ask for. */
  resourceMetrics?: MetricsRegistry;
  /** Whether --leader-elect is on where it is not given: other control planes may run on the same store. */
  electsByDefault: boolean;
}

/** Unique among all processes that may ever stand for election, as upstream's. */
const identity = () => `${hostname()}_${randomUUID()}`;

export function checkControlLoopFlags(config: ClusterConfig): void {
  checkFlags(config.args.controllerManager, controllerManagerFlags);
  checkFlags(config.args.scheduler, schedulerFlags);
  controllerConfig(config.args.controllerManager);
  schedulerConfiguration(config.args.scheduler);
}

export type ControlLoopName = 'kube-scheduler' | 'kube-controller-manager';

/** What a control loop runs with, and where it answers. */
export interface ControlLoop {
  name: ControlLoopName;
  options: ControlLoopOptions;
  /** Undefined where --secure-port=0 wants none. */
  endpoint: ComponentServer | undefined;
}

const schedulerArgs = ({ args }: ClusterConfig): ComponentArgs =>
  withConfiguredElection(args.scheduler, schedulerConfiguration(args.scheduler));
const argsOf = (config: ClusterConfig, name: ControlLoopName): ComponentArgs =>
  name === 'kube-scheduler' ? schedulerArgs(config) : config.args.controllerManager;

/** The configuration as /configz shows it: by its API group, what flags have decided. */
function configurationOf({ config, electsByDefault }: ControlLoopShared, name: ControlLoopName): object {
  const args = argsOf(config, name);
  const election = leaderElection(args, electsByDefault);
  const leader = {
    LeaderElect: election !== false,
    LeaseDuration: args['leader-elect-lease-duration'] ?? '15s',
    RenewDeadline: args['leader-elect-renew-deadline'] ?? '10s',
    RetryPeriod: args['leader-elect-retry-period'] ?? '2s',
    ResourceLock: args['leader-elect-resource-lock'] ?? 'leases',
    ResourceName: args['leader-elect-resource-name'] ?? name,
    ResourceNamespace: args['leader-elect-resource-namespace'] ?? 'kube-system',
  };
  if (name === 'kube-scheduler') return { 'kubescheduler.config.k8s.io': { LeaderElection: leader } };
  const Generic = { Controllers: (args.controllers ?? '*').split(','), LeaderElection: leader };
  return { 'kubecontrollermanager.config.k8s.io': { Generic, KubeCloudShared: { ClusterCIDR: config.podCidr, ClusterName: config.name } } };
}

type ControlLoopShared = Pick<ControlLoopOptions, 'config' | 'pki' | 'electsByDefault'>;

/** Prepares a control loop: its log, its metrics, and the HTTPS that tells of them. */
export async function prepareControlLoop(
  shared: ControlLoopShared,
  environment: Pick<ComponentEnvironment, 'loggerFor'>,
  name: ControlLoopName,
  client: Client,
  metrics: MetricsRegistry,
): Promise<ControlLoop> {
  const args = argsOf(shared.config, name);
  const logger = await environment.loggerFor(name, args);
  const resources = name === 'kube-scheduler' ? { resourceMetrics: new MetricsRegistry() } : {};
  const configz = () => configurationOf(shared, name);
  const endpoint = await serveComponent({ name, args, client, pki: shared.pki, logger, metrics, ...resources, configz });
  return { name, options: { ...shared, logger, metrics, ...resources }, endpoint };
}

/** --controllers, without the allocator of nodes' address ranges where --allocate-node-cidrs=false wants none; default: it is wanted. */
const controllersOf = (args: ComponentArgs) =>
  `${flag(args['allocate-node-cidrs'], true) ? '' : '-node-ipam-controller,'}${args.controllers ?? '*'}`;

/** Runs until the signal is aborted; throws LeadershipLostError. */
export async function runClusterControllers(
  options: ControlLoopOptions,
  clients: { own: Client; forController: (name: string, account: string) => Client },
  signal: AbortSignal,
): Promise<void> {
  const { config, pki, logger, metrics } = options;
  const args = config.args.controllerManager;
  const election = leaderElection(args, options.electsByDefault);
  const gates = parseFeatureGates(args['feature-gates']);
  const clusterSigning = (await signingAuthority(args)) ?? pki.ca;
  await runControllerManager(
    {
      client: clients.own,
      clientFor: clients.forController,
      controllers: controllersOf(args),
      isEnabled: gates.isEnabled,
      ...(election ? { leaderElect: { ...election, identity: identity() } } : {}),
      clock,
      random,
      logger,
      registry: metrics,
      config: {
        clusterCidrs: [config.podCidr],
        serviceCidrs: [config.serviceCidr],
        rootCa: pki.ca.certificate,
        serviceAccountKey: pki.serviceAccount.privateKey,
        ...(await accountCredentials(args)),
        clusterSigning,
        podDeletionCost: gates.isEnabled('PodDeletionCost'),
        ...controllerConfig(args),
      },
    },
    signal,
  );
}

/** Runs until the signal is aborted; throws LeadershipLostError. */
export async function runClusterScheduler(options: ControlLoopOptions, client: Client, signal: AbortSignal): Promise<void> {
  const { config, logger, metrics, resourceMetrics } = options;
  const election = leaderElection(schedulerArgs(config), options.electsByDefault);
  const configuration = schedulerConfiguration(config.args.scheduler);
  const ending = new AbortController();
  const both = AbortSignal.any([signal, ending.signal]);
  const informers = createInformerFactory({ client, clock, random, logger });
  const pods = informers.for(Pod);
  // Of the last term, where there was one.
  resourceMetrics?.clear();
  if (resourceMetrics !== undefined) registerPodResourceMetrics(resourceMetrics, () => pods.lister.list());
  const informing = informers.run(both);
  try {
    await Promise.race([
      runScheduler(
        {
          ...{ client, informers, clock, random, logger, metrics },
          config: configuration,
          ...(election ? { leaderElect: { ...election, identity: identity() } } : {}),
        },
        both,
      ),
      // It ends only by failing, or with the signal.
      informing.then(() => new Promise<never>(() => {})),
    ]);
  } finally {
    ending.abort(new Error('the scheduler ends'));
    await informing;
  }
}

/**
 * Stands for election again and again, in a process that has other things to do than to start over; upstream's processes exit.
 * What the lost term has counted is forgotten with its metrics.
 */
export async function untilStopped(
  run: (signal: AbortSignal) => Promise<void>,
  { metrics, prefix, logger }: { metrics: MetricsRegistry; prefix: string; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      return await run(signal);
    } catch (error) {
      if (!(error instanceof LeadershipLostError)) throw error;
      logger.error(error.message);
      for (const { name } of metrics.getMetricsAsArray()) if (name.startsWith(prefix)) metrics.removeSingleMetric(name);
    }
  }
}
