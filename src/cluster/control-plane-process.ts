/** The control plane in one process: API server on the durable store, controllers, scheduler. */
import { Registry as MetricsRegistry } from 'prom-client';
import { abortable, createClient, measuredTransports } from '../client/index.ts';
import type { ComponentAddress, UserInfo } from '../server/index.ts';
import { systemClock as clock } from '../time/index.ts';
import { openApiServer } from './api-server.ts';
import { readConfig } from './cluster-files.ts';
import { sharesStore } from './cluster-store.ts';
import { type ComponentEnvironment, runComponent } from './component-process.ts';
import { nodeNames } from './config.ts';
import { checkControlLoopFlags, prepareControlLoop, runClusterControllers, runClusterScheduler, untilStopped } from './control-loops.ts';
import { ensureDnsAddon } from './dns-addon.ts';
import { type Layout, layoutOf } from './layout.ts';
import { markControlPlane } from './mark-control-plane.ts';
import { controlPlaneNamespace } from './placement.ts';

export function runControlPlaneProcess(dataDir: string): Promise<void> {
  return runComponent('control-plane', (environment) => runControlPlane(layoutOf(dataDir), environment));
}

const component = (name: string): UserInfo => ({ name: `system:${name}`, groups: ['system:authenticated'] });
const administrator: UserInfo = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

async function runControlPlane(layout: Layout, environment: ComponentEnvironment): Promise<void> {
  const { signal } = environment;
  const config = readConfig(layout);
  if (!config) throw new Error(`${layout.config} is missing`);
  checkControlLoopFlags(config);
  /** Where the two loops answer, once they do. */
  const components = new Map<string, ComponentAddress>();
  const { server, pki, close } = await openApiServer(layout, config, environment, components);
  // Away from the host's network, it still answers at the host's 127.0.0.1.
  await server.listen(controlPlaneNamespace(layout, config) ? await environment.entrance : undefined);
  await server.bootstrap(signal);
  const clientAs = (user: UserInfo, userAgent: string) => createClient(server.localTransport(user), { userAgent });
  await ensureDnsAddon(clientAs(administrator, 'k8ts'), config);
  environment.ready();

  const { real, hollow } = nodeNames(config);
  const [firstNode] = [...real, ...hollow];
  const shared = { config, pki, electsByDefault: sharesStore(config) };
  const measured = () => {
    const registry = new MetricsRegistry();
    const measure = measuredTransports({ registry, clock, host: `127.0.0.1:${config.apiPort}` });
    return { registry, as: (user: UserInfo, userAgent: string) => createClient(measure(server.localTransport(user)), { userAgent }) };
  };
  const [asManager, asScheduler] = [measured(), measured()];
  const manager = {
    own: asManager.as(component('kube-controller-manager'), 'kube-controller-manager'),
    forController: (name: string, account: string) => asManager.as(controllerIdentity(account), `kube-controller-manager/${name}`),
  };
  const scheduler = asScheduler.as(component('kube-scheduler'), 'kube-scheduler');
  const loops = await Promise.all([
    prepareControlLoop(shared, environment, 'kube-scheduler', scheduler, asScheduler.registry),
    prepareControlLoop(shared, environment, 'kube-controller-manager', manager.own, asManager.registry),
  ]);
  const [ofScheduler, ofManager] = loops;
  for (const { name, endpoint } of loops) if (endpoint) components.set(name.replace(/^kube-/, ''), { ...endpoint, host: endpoint.address });
  try {
    await Promise.all([
      ...(firstNode ? [markControlPlane(clientAs(administrator, 'k8ts'), firstNode, signal)] : []),
      untilStopped(
        // What is not known to be there can be neither collected nor counted.
        async (term) => {
          await abortable(server.definitionsServed, term).catch((error: unknown) => {
            if (!term.aborted) throw error;
          });
          if (!term.aborted) await runClusterControllers(ofManager.options, manager, term);
        },
        { ...ofManager.options, prefix: 'workqueue_' },
        signal,
      ),
      untilStopped(
        (term) => runClusterScheduler(ofScheduler.options, scheduler, term),
        { ...ofScheduler.options, prefix: 'scheduler_' },
        signal,
      ),
    ]);
  } finally {
    await Promise.all(loops.map(({ endpoint }) => endpoint?.close()));
    await close();
  }
}

/** Each controller acts as the service account that upstream's bootstrap policy knows (--use-service-account-credentials). */
function controllerIdentity(account: string): UserInfo {
  return {
    name: `system:serviceaccount:kube-system:${account}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  };
}
