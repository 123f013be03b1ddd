/** Simulated nodes, all in one process: real kubelets over a runtime that only pretends. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { Service } from '../api/index.ts';
import { type Client, createClient, createInformer, httpsTransport, type Informer } from '../client/index.ts';
import { createKubelet, createSharedKubeletServer, hollowMachine } from '../kubelet/index.ts';
import { issueCertificate, type Pki } from '../pki/index.ts';
import { hollowRuntime } from '../runtime/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { readConfig } from './cluster-files.ts';
import { type ComponentEnvironment, runComponent } from './component-process.ts';
import { type ClusterConfig, nodeNames, nthAddress } from './config.ts';
import { kubeletConfiguration } from './flags.ts';
import { hollowNodesAddress } from './hollow-node-addresses.ts';
import { type Layout, layoutOf } from './layout.ts';
import { freePort } from './ports.ts';
import { ensureClusterPki } from './up.ts';

export function runHollowNodesProcess(dataDir: string): Promise<void> {
  return runComponent('hollow-nodes', (environment) => runHollowNodes(layoutOf(dataDir), environment));
}

async function runHollowNodes(layout: Layout, environment: ComponentEnvironment): Promise<void> {
  const { logger, signal } = environment;
  const config = readConfig(layout);
  if (!config) throw new Error(`${layout.config} is missing`);
  const pki = await ensureClusterPki(layout, config);
  const identity = pki.clients['hollow-nodes'];
  if (!identity) throw new Error(`there is no certificate hollow-nodes in ${pki.dir}`);
  await environment.controlPlane;
  // One connection for all: what a node costs is its objects.
  const transport = httpsTransport({
    server: `https://${config.bindAddress === '0.0.0.0' ? '127.0.0.1' : config.bindAddress}:${config.apiPort}`,
    ca: pki.ca.certificate,
    cert: identity.certificate,
    key: identity.key,
  });
  const client = createClient(transport, { userAgent: 'kubelet' });
  const services = createInformer({ client, clock, random, logger }, Service);
  const port = await freePort();
  const nodes = new Map(
    nodeNames(config).hollow.map((nodeName, i) => {
      // Documentation addresses (RFC 2544's benchmarking range): nobody is there.
      const address = nthAddress('198.18.0.0/15', i + 1);
      const podCIDR = `${nthAddress(spareCidr, i * 256)}/24`;
      return [nodeName, hollowNode({ layout, config, client, services, nodeName, address, podCIDR, port, logger })];
    }),
  );
  const server = createSharedKubeletServer({
    node: (name) => nodes.get(name),
    certificateFor: servingCertificates(pki),
    clientCa: pki.ca.certificate,
    address: hollowNodesAddress,
    port,
    logger,
  });
  await server.listen();
  const kubelets = [...nodes.values()].map(({ kubelet }) => kubelet);
  const work = Promise.all([services.run(signal), ...kubelets.map((kubelet) => kubelet.run(signal))]);
  await Promise.race([Promise.all(kubelets.map((kubelet) => kubelet.registered)), work]);
  environment.ready();
  try {
    await work;
  } finally {
    await server.close();
  }
}

/** Where pods get addresses on nodes that have no range yet, or for which the cluster's is too small: a part for each. */
const spareCidr = '10.128.0.0/9';

interface HollowNodeOptions {
  layout: Layout;
  config: ClusterConfig;
  client: Client;
  services: Informer<Service>;
  nodeName: string;
  address: string;
  /** Its pods' range until it has one of the cluster's. */
  podCIDR: string;
  /** Where all kubelets of this process answer. */
  port: number;
  logger: Logger;
}

/** A node's kubelet, and what its server needs. */
function hollowNode({ layout, config, client, services, nodeName, address, podCIDR, port, logger }: HollowNodeOptions) {
  const runtime = hollowRuntime({ clock, random, podCIDR });
  const machine = hollowMachine(nodeName);
  const metrics = new MetricsRegistry();
  const kubelet = createKubelet({
    nodeName,
    client,
    runtime,
    clock,
    random,
    logger,
    machine,
    registry: metrics,
    rootDir: join(layout.node(nodeName), 'kubelet'),
    nodeIPs: [address],
    hollow: true,
    services,
    config: { ...kubeletConfiguration(config.args.kubelet), port },
  });
  return { kubelet, runtime, client, machine, metrics, clock, logger };
}

const dayMs = 24 * 3600 * 1000;

/** Makes a node's serving certificate when the node is first called: most never are. */
function servingCertificates(pki: Pki) {
  return (nodeName: string) =>
    issueCertificate(pki.ca, {
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      dnsNames: [nodeName],
      usages: ['server'],
      // An hour back, for clients whose clock is behind.
      notBefore: new Date(clock.now() - dayMs / 24),
      notAfter: new Date(clock.now() + 3650 * dayMs),
    });
}
