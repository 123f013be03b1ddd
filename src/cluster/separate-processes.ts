/** The control plane's parts as processes of their own, as upstream's are, for several of each on one store. */
import { Registry as MetricsRegistry } from 'prom-client';
import {
  connectionOf,
  createClient,
  type HttpsTransportOptions,
  httpsTransport,
  loadKubeconfig,
  measuredTransports,
} from '../client/index.ts';
import type { Pki } from '../pki/index.ts';
import { systemClock as clock } from '../time/index.ts';
import { openApiServer } from './api-server.ts';
import { readConfig } from './cluster-files.ts';
import { runComponent } from './component-process.ts';
import type { ClusterConfig, ComponentArgs } from './config.ts';
import { checkControlLoopFlags, prepareControlLoop, runClusterControllers, runClusterScheduler } from './control-loops.ts';
import { layoutOf } from './layout.ts';
import { configuredKubeconfig } from './scheduler-configuration.ts';
import { serviceAccountClients } from './service-account-clients.ts';
import { bareConfig, standaloneConfig } from './standalone-config.ts';
import { ensureClusterPki } from './up.ts';

export interface SeparateOptions {
  /** Has the cluster's configuration (cluster.json) and certificates, or gets them. */
  dataDir: string;
  /** Flags of the component, beside those that the configuration has. */
  args: ComponentArgs;
}

export type ApiServerProcessOptions = SeparateOptions;

/** The API server that the others talk to, `https://HOST:PORT`; default: the configuration's. */
export interface LoopProcessOptions extends SeparateOptions {
  server?: string;
  /** A file that says which server, whom to trust and who one is; default: the scheduler's --config's, else the certificates in `dataDir`. */
  kubeconfig?: string;
}

const withArgs = (config: ClusterConfig, component: keyof ClusterConfig['args'], args: ComponentArgs): ClusterConfig => ({
  ...config,
  args: { ...config.args, [component]: { ...config.args[component], ...args } },
});

export function runApiServerProcess(options: ApiServerProcessOptions): Promise<void> {
  return runComponent('kube-apiserver', async (environment) => {
    const layout = layoutOf(options.dataDir);
    const config = standaloneConfig(readConfig(layout) ?? bareConfig(), options.args);
    const { server, close } = await openApiServer(layout, config, environment);
    try {
      await server.listen();
      await server.bootstrap(environment.signal);
      environment.ready();
      await ended(environment.signal);
    } finally {
      await close();
    }
  });
}

export function runControllerManagerProcess(options: LoopProcessOptions): Promise<void> {
  return runComponent('kube-controller-manager', async (environment) => {
    const { shared, transport, anonymous, metrics } = await prepare(options, 'controllerManager', 'controller-manager');
    const own = createClient(transport, { userAgent: 'kube-controller-manager' });
    const forController = serviceAccountClients({ client: own, transport: anonymous, clock });
    const loop = await prepareControlLoop(shared, environment, 'kube-controller-manager', own, metrics);
    environment.ready();
    await runClusterControllers(loop.options, { own, forController }, environment.signal).finally(() => loop.endpoint?.close());
  });
}

export function runSchedulerProcess(options: LoopProcessOptions): Promise<void> {
  return runComponent('kube-scheduler', async (environment) => {
    const { shared, transport, metrics } = await prepare(options, 'scheduler', 'scheduler');
    const client = createClient(transport, { userAgent: 'kube-scheduler' });
    const loop = await prepareControlLoop(shared, environment, 'kube-scheduler', client, metrics);
    environment.ready();
    await runClusterScheduler(loop.options, client, environment.signal).finally(() => loop.endpoint?.close());
  });
}

/** What a control loop needs to talk to a server; like upstream's it stands for election unless told not to. */
async function prepare(
  { dataDir, server: given, kubeconfig, args }: LoopProcessOptions,
  component: 'controllerManager' | 'scheduler',
  certificate: string,
) {
  const layout = layoutOf(dataDir);
  const config = withArgs(readConfig(layout) ?? bareConfig(), component, args);
  checkControlLoopFlags(config);
  const pki = await ensureClusterPki(layout, config);
  const file = kubeconfig || (component === 'scheduler' ? configuredKubeconfig(config.args.scheduler) : undefined);
  const connection = file ? await connectionOf(await loadKubeconfig(file)) : ownConnection(pki, certificate, config);
  const server = given ?? connection.server;
  const { ca, insecureSkipTlsVerify, tlsServerName } = connection;
  const metrics = new MetricsRegistry();
  const measured = measuredTransports({ registry: metrics, clock, host: new URL(server).host });
  return {
    shared: { config, pki, electsByDefault: true },
    transport: measured(httpsTransport({ ...connection, server, clock })),
    anonymous: measured(httpsTransport({ server, ca, insecureSkipTlsVerify, tlsServerName, clock })),
    metrics,
  };
}

function ownConnection(pki: Pki, certificate: string, { apiPort }: ClusterConfig): HttpsTransportOptions {
  const identity = pki.clients[certificate];
  if (!identity) throw new Error(`there is no certificate ${certificate} in ${pki.dir}`);
  return { server: `https://127.0.0.1:${apiPort}`, ca: pki.ca.certificate, cert: identity.certificate, key: identity.key };
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
