/** `k8ts down`: stops everything and leaves nothing behind. Repeatable, and right after a crash too. */
import { rm } from 'node:fs/promises';
import { removeFromKubeconfig } from '../client/index.ts';
import { systemClock } from '../time/index.ts';
import { readConfig, writeConfig } from './cluster-files.ts';
import { type ClusterConfig, nodeNames } from './config.ts';
import { layoutOf } from './layout.ts';
import { cleanupNode } from './node-cleanup.ts';
import { nodeLayoutOf } from './node-layout.ts';
import { placementOf, removeNamespaces } from './placement.ts';
import { records, stopProcess } from './processes.ts';
import { shutdownDelaySeconds } from './serving-flags.ts';
import { contextName, kubeconfigPath } from './up.ts';

export interface DownOptions {
  dataDir: string;
  keepData: boolean;
  kubeconfig?: string;
}

/** False where there was no such cluster. */
export async function down(options: DownOptions): Promise<boolean> {
  const layout = layoutOf(options.dataDir);
  const config = readConfig(layout);
  const processes = records(layout);
  if (!config && processes.length === 0) return false;
  // Agents first, so that they don't report a vanished API server; the control plane last.
  const agents = processes.filter((p) => p.component !== 'control-plane');
  await Promise.all(agents.map((record) => stopProcess(layout, record, systemClock, 10_000)));
  const controlPlane = processes.find((p) => p.component === 'control-plane');
  const delayMs = config ? shutdownDelaySeconds(config.args.apiserver) * 1000 : 0;
  if (controlPlane) await stopProcess(layout, controlPlane, systemClock, 10_000 + delayMs);
  if (config) {
    const nodes = nodeNames(config).real;
    await Promise.all(nodes.map((node) => cleanupNode(nodeLayoutOf(layout, node), config, placementOf(layout, config, node))));
    await removeNamespaces(layout, config);
    if (options.keepData) writeConfig(layout, withoutPlacement(config));
    if (!options.keepData) await removeFromKubeconfig(kubeconfigPath(options.kubeconfig), contextName(config.name));
  }
  if (!options.keepData) await rm(layout.dataDir, { recursive: true, force: true });
  return true;
}

/** The next `up` may place the cluster anew. */
function withoutPlacement({ hostNetwork: _, nodeCidr: __, ...config }: ClusterConfig): ClusterConfig {
  return config;
}
