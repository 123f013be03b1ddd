/**
 * The HTTPS of the scheduler and the controller manager: health, metrics, configuration. Upstream's ports where they are free, so
 * that clusters live side by side; another where a flag asks for it.
 */
import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { Client } from '../client/index.ts';
import { createHealth, registerFeatures } from '../observability/index.ts';
import type { Pki } from '../pki/index.ts';
import { type ComponentServer, openComponentServer } from '../server/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import type { ComponentArgs } from './config.ts';
import { controllerManagerFlags, schedulerFlags } from './control-plane-flags.ts';
import { parseFeatureGates } from './feature-gates.ts';
import { flagValues, loopDefaults, processStartMs } from './flag-values.ts';
import { portFlag } from './port-flag.ts';
import { portNear } from './ports.ts';
import { reportedVersion } from './reported-version.ts';

export interface ComponentEndpoint {
  /** Of upstream's, `kube-scheduler`. */
  name: string;
  args: ComponentArgs;
  client: Client;
  pki: Pki;
  logger: Logger;
  metrics: MetricsRegistry;
  /** What /metrics/resources answers, where that is served. */
  resourceMetrics?: MetricsRegistry;
  /** What /configz answers. */
  configz(): object;
}

const defaultPorts: Readonly<Record<string, number>> = { 'kube-controller-manager': 10257, 'kube-scheduler': 10259 };

/** Undefined where --secure-port=0 turns it off. */
export async function serveComponent(endpoint: ComponentEndpoint): Promise<ComponentServer | undefined> {
  const { name, args, client, pki, logger, metrics, resourceMetrics, configz } = endpoint;
  const given = portFlag(args, 'secure-port');
  if (given === 0) return undefined;
  const gates = parseFeatureGates(args['feature-gates']);
  registerFeatures(metrics, () => gates.all());
  const known = name === 'kube-scheduler' ? schedulerFlags : controllerManagerFlags;
  const open = (port: number) =>
    openComponentServer({
      ...{ client, clock, random, logger, metrics, configz, port },
      ...(resourceMetrics === undefined ? {} : { resourceMetrics }),
      version: reportedVersion(args),
      health: createHealth(metrics),
      zPages: {
        component: name,
        startMs: processStartMs(clock.now()),
        statusz: gates.isEnabled('ComponentStatusz'),
        flags: gates.isEnabled('ComponentFlagz') ? () => flagValues(known, args, loopDefaults) : undefined,
      },
      // Upstream signs one itself for the occasion; this one can be checked.
      tls: { cert: pki.apiserver.certificate, key: pki.apiserver.key, clientCa: pki.ca.certificate },
      // Upstream's default is every address; kubeadm and k8ts keep it to the machine.
      bindAddress: args['bind-address'] ?? '127.0.0.1',
    });
  if (given !== undefined) return open(given);
  try {
    return await open(await portNear(defaultPorts[name] ?? 0));
  } catch (error) {
    // Another cluster that starts now was faster.
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    return open(0);
  }
}
