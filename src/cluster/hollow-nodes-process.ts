/** Simulated nodes, all in one process: real kubelets over a runtime that only pretends. */
import { join } from 'node:path';
import { Service } from '../api/index.ts';
import { createClient, createInformer, httpsTransport } from '../client/index.ts';
import { createKubelet, hollowMachine } from '../kubelet/index.ts';
import { hollowRuntime } from '../runtime/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { readConfig } from './cluster-files.ts';
import { type ComponentEnvironment, runComponent } from './component-process.ts';
import { nodeNames, nthAddress } from './config.ts';
import { kubeletConfiguration } from './flags.ts';
import { type Layout, layoutOf } from './layout.ts';
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
  const names = nodeNames(config).hollow;
  const kubelets = names.map((nodeName, i) =>
    createKubelet({
      nodeName,
      client,
      runtime: hollowRuntime({ clock, random }),
      clock,
      random,
      logger,
      machine: hollowMachine(nodeName),
      rootDir: join(layout.node(nodeName), 'kubelet'),
      // Documentation addresses (RFC 2544's benchmarking range): nobody is there.
      nodeIPs: [nthAddress('198.18.0.0/15', i + 1)],
      hollow: true,
      services,
      config: kubeletConfiguration(config.args.kubelet),
    }),
  );
  const work = Promise.all([services.run(signal), ...kubelets.map((kubelet) => kubelet.run(signal))]);
  await Promise.race([Promise.all(kubelets.map((kubelet) => kubelet.registered)), work]);
  environment.ready();
  await work;
}
