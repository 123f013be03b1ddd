/** A node's agent: containerd, kubelet, proxy and DNS in one process that talks HTTPS to the control plane. */
import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { Node } from '../api/index.ts';
import {
  type Client,
  createClient,
  createEventBroadcaster,
  createInformer,
  createInformerFactory,
  createReachability,
  httpsTransport,
  measuredTransports,
} from '../client/index.ts';
import { createKubelet, createKubeletServer, type Kubelet, podCgroups, readMachine } from '../kubelet/index.ts';
import { prepareHostNetwork, runNodeRoutes, runProxy, writeCniConfig } from '../network/index.ts';
import { registerBuildInfo, registerProcessMetrics, versionInfo } from '../observability/index.ts';
import { connectCriRuntime, type Runtime } from '../runtime/index.ts';
import { systemClock, systemRandom } from '../time/index.ts';
import { readConfig } from './cluster-files.ts';
import { type ComponentEnvironment, runComponent } from './component-process.ts';
import { type ClusterConfig, clusterDnsAddress } from './config.ts';
import { runClusterDns, whenDnsAnswers } from './dns-addon.ts';
import { kubeletConfiguration, proxyOptions } from './flags.ts';
import { type Layout, layoutOf } from './layout.ts';
import { nodeContainerd } from './node-containerd.ts';
import { type NodeLayout, nodeLayoutOf } from './node-layout.ts';
import { nextHopFrom, type Placement, placementOf, serverUrlFor } from './placement.ts';
import { portFlag } from './port-flag.ts';
import { portNear } from './ports.ts';
import { serveProxy } from './proxy-endpoints.ts';
import { ensureClusterPki, kubeletServerCertificate } from './up.ts';

const defaultKubeletPort = 10250;
const defaultHealthzPort = 10248;

/**
 * The disk is the machine's, and most of what fills it is none of the cluster's: upstream's thresholds (10 and 15 % free) would evict
 * pods from many a laptop. A node still stops short of a full disk.
 */
const sharedDisk = {
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '2%', 'nodefs.inodesFree': '1%', 'imagefs.available': '2%' },
  imageGCHighThresholdPercent: 97,
  imageGCLowThresholdPercent: 95,
};

export function runNodeProcess(dataDir: string, nodeName: string): Promise<void> {
  return runComponent(`node-${nodeName}`, (environment) => runNode(layoutOf(dataDir), nodeName, environment));
}

async function runNode(layout: Layout, nodeName: string, environment: ComponentEnvironment): Promise<void> {
  const { logger, signal } = environment;
  const config = readConfig(layout);
  if (!config) throw new Error(`${layout.config} is missing`);
  const node = nodeLayoutOf(layout, nodeName);
  const placement = placementOf(layout, config, nodeName);
  await mkdir(node.dir, { recursive: true, mode: 0o711 });
  // The runtime needs no API server: it starts while the control plane does.
  const [runtime, clientAs] = await Promise.all([
    startRuntime(node, config, placement, logger),
    clientsOf(layout, config, nodeName),
    environment.controlPlane,
  ]);

  const [metrics, proxyMetrics] = [new MetricsRegistry(), new MetricsRegistry()];
  const client = clientAs(`kubelet-${nodeName}`, 'kubelet', metrics);
  const machine = await readMachine(node.dir);
  registerProcessMetrics(metrics);
  for (const registry of [metrics, proxyMetrics]) registerBuildInfo(registry, versionInfo());
  // In a namespace they are free; on the host somebody else's kubelet may have them. The API server reads the port from the status.
  const kubeletArgs = config.args.kubelet;
  const [port, healthzPort, kubeletLogger, proxyLogger] = await Promise.all([
    portNear(defaultKubeletPort),
    portFlag(kubeletArgs, 'healthz-port') ?? portNear(defaultHealthzPort),
    environment.loggerFor('kubelet', kubeletArgs),
    environment.loggerFor('kube-proxy', config.args.proxy),
  ]);
  const kubelet = createKubelet({
    nodeName,
    client,
    runtime,
    clock: systemClock,
    random: systemRandom,
    logger: kubeletLogger,
    machine,
    registry: metrics,
    rootDir: node.kubelet,
    nodeIPs: [placement.address],
    hostname: nodeName,
    config: {
      ...sharedDisk,
      ...kubeletConfiguration(config.args.kubelet),
      clusterDNS: [clusterDnsAddress(config)],
      clusterDomain: config.clusterDomain,
      podLogsDir: node.podLogs,
      cgroupRoot: node.cgroupRoot,
      port,
    },
    cgroups: podCgroups({ mountPoint: '/sys/fs/cgroup', root: node.cgroupRoot, cfsQuota: true, pidsLimit: -1 }),
  });
  const server = createKubeletServer({
    kubelet,
    runtime,
    client,
    machine,
    tls: await kubeletTls(layout, config, nodeName),
    port,
    healthzPort,
    healthzAddress: kubeletArgs['healthz-bind-address'],
    metrics,
    clock: systemClock,
    logger: kubeletLogger,
  });
  await server.listen();
  const ofProxy = {
    client: clientAs('proxy', 'kube-proxy', proxyMetrics),
    clock: systemClock,
    random: systemRandom,
    logger: proxyLogger,
  };
  const proxyInformers = createInformerFactory(ofProxy);
  const proxyEvents = createEventBroadcaster(ofProxy);
  const proxy = proxyOptions(config.args.proxy);
  const proxyServer = await serveProxy(config, proxyLogger, proxyMetrics, proxy.syncMs);
  const runs = [
    kubelet.run(signal),
    proxyInformers.run(signal),
    runProxy(
      {
        informers: proxyInformers,
        clock: systemClock,
        logger: proxyLogger,
        nodeName,
        podCidr: config.podCidr,
        observer: proxyServer.observer,
        ...proxy,
      },
      signal,
    ),
    runNodeRoutes({ informers: proxyInformers, clock: systemClock, logger, nodeName, nextHop: nextHopFrom(config) }, signal),
    runClusterDns({ client: clientAs('dns', 'coredns'), config, nodeName, address: placement.address, logger }, signal),
  ];
  // As upstream, which calls nodes by their names in events.
  proxyEvents.recorder('kube-proxy', nodeName).event({ kind: 'Node', name: nodeName, uid: nodeName }, 'Normal', 'Starting', '');
  const work = Promise.all(runs);
  await Promise.race([whenNodeIsUp({ client, kubelet, runtime, node, nodeName, config, logger }, signal), work]);
  await Promise.race([whenDnsAnswers(config, signal), work]);
  environment.ready();
  try {
    await work;
  } finally {
    proxyEvents.close();
    await Promise.all([server.close(), proxyServer.close()]);
  }
}

/** What a node's kubelet serves with, and whom it knows by certificate. */
async function kubeletTls(layout: Layout, config: ClusterConfig, nodeName: string) {
  const pki = await ensureClusterPki(layout, config);
  const serving = pki.servers[kubeletServerCertificate(nodeName)];
  if (!serving) throw new Error(`there is no certificate ${kubeletServerCertificate(nodeName)} in ${pki.dir}`);
  return { cert: serving.certificate, key: serving.key, clientCa: pki.ca.certificate };
}

async function startRuntime(node: NodeLayout, config: ClusterConfig, { namespace }: Placement, logger: Logger): Promise<Runtime> {
  if (config.runtimeEndpoint) return connectCriRuntime({ endpoint: config.runtimeEndpoint, clock: systemClock });
  const containerd = await nodeContainerd(node, config, namespace, logger);
  const runtime = await connectCriRuntime({ endpoint: containerd.endpoint, clock: systemClock });
  return {
    ...runtime,
    /** A daemon that died is started again before the kubelet, which asks for the events anew, hears of it. */
    async *events(signal) {
      try {
        yield* runtime.events(signal);
      } finally {
        if (!signal.aborted) await containerd.ensureRunning();
      }
    },
  };
}

/** Clients by the identity in the cluster's PKI. */
async function clientsOf(
  layout: Layout,
  config: ClusterConfig,
  nodeName: string,
): Promise<(identity: string, component: string, metrics?: MetricsRegistry) => Client> {
  const pki = await ensureClusterPki(layout, config);
  const server = serverUrlFor(config, nodeName);
  const reachability = createReachability();
  return (identity, component, registry) => {
    const certificate = pki.clients[identity];
    if (!certificate) throw new Error(`there is no certificate ${identity} in ${pki.dir}`);
    const transport = httpsTransport({
      server,
      ca: pki.ca.certificate,
      cert: certificate.certificate,
      key: certificate.key,
    });
    const measure = registry && measuredTransports({ registry, clock: systemClock, host: new URL(server).host });
    return createClient(measure?.(transport) ?? transport, { userAgent: component, reachability });
  };
}

interface NodeParts {
  client: Client;
  kubelet: Kubelet;
  runtime: Runtime;
  node: NodeLayout;
  nodeName: string;
  config: ClusterConfig;
  logger: Logger;
}

/** Gives pods their network once the node has its share of it, and resolves when the node is Ready. */
function whenNodeIsUp(parts: NodeParts, signal: AbortSignal): Promise<void> {
  const { client, kubelet, runtime, node, nodeName, config, logger } = parts;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const informer = createInformer({ client, clock: systemClock, random: systemRandom, logger }, Node, {
    fieldSelector: `metadata.name=${nodeName}`,
  });
  let podCidr = '';
  const look = (current: Node) => {
    if (current.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True')) resolve();
    const given = current.spec.podCIDR ?? '';
    if (given === '' || given === podCidr) return;
    podCidr = given;
    prepareNetwork().then(() => kubelet.touch(), reject);
  };
  const prepareNetwork = async () => {
    await Promise.all([
      prepareHostNetwork(node.bridge, config.podCidr),
      writeCniConfig(node.cniConf, { bridge: node.bridge, podCidr, clusterCidr: config.podCidr, dataDir: node.cniData }),
    ]);
    await whenNetworkReady(runtime, signal);
  };
  informer.addHandler({ add: look, update: look });
  informer.run(signal).catch(reject);
  return promise;
}

/** The runtime sees a new CNI configuration by inotify, a moment after it was written. */
async function whenNetworkReady(runtime: Runtime, signal: AbortSignal): Promise<void> {
  for (let pauseMs = 2; !signal.aborted; pauseMs = Math.min(pauseMs * 2, 500)) {
    const { status } = await runtime.status({}, { signal });
    if (status?.conditions?.some((c) => c.type === 'NetworkReady' && c.status)) return;
    await systemClock.sleep(pauseMs, signal);
  }
}
