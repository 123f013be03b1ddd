/** `k8ts down`: stops everything and leaves nothing behind. Repeatable, and right after a crash too. */
import { rm } from 'node:fs/promises';
import { removeFromKubeconfig } from '../client/index.ts';
import { systemClock } from '../time/index.ts';
import { readConfig } from './cluster-files.ts';
import { nodeNames } from './config.ts';
import { layoutOf } from './layout.ts';
import { cleanupNode } from './node-cleanup.ts';
import { nodeLayoutOf } from './node-layout.ts';
import { records, stopProcess } from './processes.ts';
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
  if (controlPlane) await stopProcess(layout, controlPlane, systemClock, 10_000);
  if (config) {
    for (const node of nodeNames(config).real) await cleanupNode(nodeLayoutOf(layout, node), config);
    if (!options.keepData) await removeFromKubeconfig(kubeconfigPath(options.kubeconfig), contextName(config.name));
  }
  if (!options.keepData) await rm(layout.dataDir, { recursive: true, force: true });
  return true;
}
