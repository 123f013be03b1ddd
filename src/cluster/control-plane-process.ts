/** The control plane in one process: API server on the durable store, controllers, scheduler. */
import { readFile } from 'node:fs/promises';
import { Registry as MetricsRegistry } from 'prom-client';
import { kinds } from '../api/index.ts';
import { createClient, createInformerFactory } from '../client/index.ts';
import { runControllerManager } from '../controllers/index.ts';
import type { Pki } from '../pki/index.ts';
import { runScheduler } from '../scheduler/index.ts';
import {
  type AuthorizationMode,
  createClusterApiServer,
  parseIpRange,
  parsePortRange,
  parseTokenFile,
  type UserInfo,
} from '../server/index.ts';
import { openEmbeddedStore } from '../store/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { readConfig } from './cluster-files.ts';
import { type ComponentEnvironment, runComponent } from './component-process.ts';
import { type ClusterConfig, nodeNames } from './config.ts';
import { ensureDnsAddon } from './dns-addon.ts';
import { apiserverFlags, checkFlags, controllerManagerFlags, durationMs, flag, list, schedulerFlags } from './flags.ts';
import { type Layout, layoutOf } from './layout.ts';
import { markControlPlane } from './mark-control-plane.ts';
import { controlPlaneNamespace } from './placement.ts';
import { ensureClusterPki } from './up.ts';

export function runControlPlaneProcess(dataDir: string): Promise<void> {
  return runComponent('control-plane', (environment) => runControlPlane(layoutOf(dataDir), environment));
}

const component = (name: string): UserInfo => ({ name: `system:${name}`, groups: ['system:authenticated'] });
const administrator: UserInfo = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

async function runControlPlane(layout: Layout, environment: ComponentEnvironment): Promise<void> {
  const { logger, signal } = environment;
  const config = readConfig(layout);
  if (!config) throw new Error(`${layout.config} is missing`);
  checkFlags(config.args.controllerManager, controllerManagerFlags);
  checkFlags(config.args.scheduler, schedulerFlags);
  const [pki, store] = await Promise.all([ensureClusterPki(layout, config), openEmbeddedStore({ dir: layout.store, clock, logger })]);
  const metrics = new MetricsRegistry();
  const server = await createClusterApiServer({
    store,
    clock,
    random,
    logger,
    metrics,
    kinds,
    tls: {
      cert: pki.apiserver.certificate,
      key: pki.apiserver.key,
      clientCa: [pki.ca.certificate, pki.frontProxyCa.certificate],
    },
    bindAddress: config.bindAddress,
    port: config.apiPort,
    ...(await serverFlags(config)),
    authentication: {
      issuers: [`https://kubernetes.default.svc.${config.clusterDomain}`],
      signingKey: pki.serviceAccount.privateKey,
      publicKey: pki.serviceAccount.publicKey,
      clientCa: pki.ca.certificate,
      requestHeader: { clientCa: pki.frontProxyCa.certificate, allowedNames: ['front-proxy-client'] },
      ...(await authenticationFlags(config)),
    },
    advertise: { address: config.advertiseAddress, port: config.apiPort },
    kubelets: kubeletClient(pki),
  });
  // Away from the host's network, it still answers at the host's 127.0.0.1.
  await server.listen(controlPlaneNamespace(layout, config) ? await environment.entrance : undefined);
  await server.bootstrap(signal);
  const clientAs = (user: UserInfo, userAgent: string) => createClient(server.localTransport(user), { userAgent });
  await ensureDnsAddon(clientAs(administrator, 'k8ts'), config);
  environment.ready();

  const schedulerClient = clientAs(component('kube-scheduler'), 'kube-scheduler');
  const schedulerInformers = createInformerFactory({ client: schedulerClient, clock, random, logger });
  const controllerManager = config.args.controllerManager;
  const { real, hollow } = nodeNames(config);
  const [firstNode] = [...real, ...hollow];
  try {
    await Promise.all([
      ...(firstNode ? [markControlPlane(clientAs(administrator, 'k8ts'), firstNode, signal)] : []),
      runControllerManager(
        {
          client: clientAs(component('kube-controller-manager'), 'kube-controller-manager'),
          clientFor: (name, account) => clientAs(controllerIdentity(account), `kube-controller-manager/${name}`),
          controllers: controllerManager.controllers ?? '*',
          clock,
          random,
          logger,
          registry: metrics,
          config: {
            clusterCidrs: [config.podCidr],
            serviceCidrs: [config.serviceCidr],
            rootCa: pki.ca.certificate,
            clusterSigning: pki.ca,
            ...(controllerManager['node-cidr-mask-size'] ? { nodeCidrMaskSizeIpv4: Number(controllerManager['node-cidr-mask-size']) } : {}),
            ...(controllerManager['node-monitor-grace-period']
              ? { nodeMonitorGracePeriodMs: durationMs(controllerManager['node-monitor-grace-period']) }
              : {}),
          },
        },
        signal,
      ),
      schedulerInformers.run(signal),
      runScheduler({ client: schedulerClient, informers: schedulerInformers, clock, random, logger, metrics }, signal),
    ]);
  } finally {
    await server.close();
    await store.close();
  }
}

function kubeletClient(pki: Pki) {
  const client = pki.clients['apiserver-kubelet-client'];
  if (!client) throw new Error(`there is no certificate apiserver-kubelet-client in ${pki.dir}`);
  return { ca: pki.ca.certificate, cert: client.certificate, key: client.key };
}

/** Each controller acts as the service account that upstream's bootstrap policy knows (--use-service-account-credentials). */
function controllerIdentity(account: string): UserInfo {
  return {
    name: `system:serviceaccount:kube-system:${account}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  };
}

async function serverFlags(config: ClusterConfig) {
  const args = config.args.apiserver;
  checkFlags(args, apiserverFlags);
  return {
    services: { ranges: [parseIpRange(config.serviceCidr)], ports: parsePortRange(args['service-node-port-range'] ?? '30000-32767') },
    admissionPlugins: { enable: list(args['enable-admission-plugins']), disable: list(args['disable-admission-plugins']) },
    // The list of modes is checked where they are made.
    ...(args['authorization-mode'] ? { authorization: { modes: list(args['authorization-mode']) as AuthorizationMode[] } } : {}),
  };
}

async function authenticationFlags(config: ClusterConfig) {
  const args = config.args.apiserver;
  const tokenFile = args['token-auth-file'];
  return {
    anonymousAuth: flag(args['anonymous-auth'], true),
    ...(tokenFile ? { tokens: parseTokenFile(await readFile(tokenFile, 'utf8')) } : {}),
    ...(args['api-audiences'] ? { apiAudiences: list(args['api-audiences']) } : {}),
  };
}
