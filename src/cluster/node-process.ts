/** A node's agent: containerd, kubelet, proxy and DNS in one process that talks HTTPS to the control plane. */
import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { Node } from '../api/index.ts';
import { type Client, createClient, createInformer, createInformerFactory, httpsTransport } from '../client/index.ts';
import { createKubelet, type Kubelet, podCgroups, readMachine } from '../kubelet/index.ts';
import { prepareHostNetwork, runProxy, writeCniConfig } from '../network/index.ts';
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
import { ensureClusterPki } from './up.ts';

export function runNodeProcess(dataDir: string, nodeName: string): Promise<void> {
  return runComponent(`node-${nodeName}`, (environment) => runNode(layoutOf(dataDir), nodeName, environment));
}

async function runNode(layout: Layout, nodeName: string, environment: ComponentEnvironment): Promise<void> {
  const { logger, signal } = environment;
  const config = readConfig(layout);
  if (!config) throw new Error(`${layout.config} is missing`);
  const node = nodeLayoutOf(layout, nodeName);
  await mkdir(node.dir, { recursive: true, mode: 0o711 });
  // The runtime needs no API server: it starts while the control plane does.
  const [runtime, clientAs] = await Promise.all([startRuntime(node, config, logger), clientsOf(layout, config), environment.controlPlane]);

  const kubelet = createKubelet({
    nodeName,
    client: clientAs(`kubelet-${nodeName}`, 'kubelet'),
    runtime,
    clock: systemClock,
    random: systemRandom,
    logger,
    machine: await readMachine(node.dir),
    rootDir: node.kubelet,
    nodeIPs: [config.advertiseAddress],
    hostname: nodeName,
    config: {
      ...kubeletConfiguration(config.args.kubelet),
      clusterDNS: [clusterDnsAddress(config)],
      clusterDomain: config.clusterDomain,
      podLogsDir: node.podLogs,
      cgroupRoot: node.cgroupRoot,
    },
    cgroups: podCgroups({ mountPoint: '/sys/fs/cgroup', root: node.cgroupRoot, cfsQuota: true, pidsLimit: -1 }),
  });
  const proxyInformers = createInformerFactory({
    client: clientAs('proxy', 'kube-proxy'),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const runs = [
    kubelet.run(signal),
    proxyInformers.run(signal),
    runProxy(
      { informers: proxyInformers, clock: systemClock, logger, nodeName, podCidr: config.podCidr, ...proxyOptions(config.args.proxy) },
      signal,
    ),
    runClusterDns({ client: clientAs('dns', 'coredns'), config, nodeName, logger }, signal),
  ];
  const work = Promise.all(runs);
  await Promise.race([
    whenNodeIsUp({ client: clientAs(`kubelet-${nodeName}`, 'kubelet'), kubelet, runtime, node, nodeName, config, logger }, signal),
    work,
  ]);
  await Promise.race([whenDnsAnswers(config, signal), work]);
  environment.ready();
  await work;
}

async function startRuntime(node: NodeLayout, config: ClusterConfig, logger: Logger): Promise<Runtime> {
  const endpoint = config.runtimeEndpoint ?? (await nodeContainerd(node, config, logger)).endpoint;
  return connectCriRuntime({ endpoint, clock: systemClock });
}

/** Clients by the identity in the cluster's PKI. */
async function clientsOf(layout: Layout, config: ClusterConfig): Promise<(identity: string, component: string) => Client> {
  const pki = await ensureClusterPki(layout, config);
  return (identity, component) => {
    const certificate = pki.clients[identity];
    if (!certificate) throw new Error(`there is no certificate ${identity} in ${pki.dir}`);
    const transport = httpsTransport({
      server: `https://${config.bindAddress === '0.0.0.0' ? '127.0.0.1' : config.bindAddress}:${config.apiPort}`,
      ca: pki.ca.certificate,
      cert: certificate.certificate,
      key: certificate.key,
    });
    return createClient(transport, { userAgent: component });
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
