import { readConfig } from './cluster-files.ts';
import { type ClusterConfig, nodeNames } from './config.ts';
import type { Layout } from './layout.ts';

/** Where kubelets of simulated nodes answer: all in one process beside the control plane. */
export const hollowNodesAddress = '127.0.0.1';

/** Tells where a node is by its name, where only this machine knows: simulated nodes, also those that `up` adds later. Undefined for others. */
export function hollowNodeAddresses(layout: Layout, config: ClusterConfig): (hostname: string) => string | undefined {
  let names = namesIn(config);
  return (hostname) => {
    if (!names.has(hostname)) names = namesIn(readConfig(layout) ?? config);
    return names.get(hostname) === 'hollow' ? hollowNodesAddress : undefined;
  };
}

function namesIn(config: ClusterConfig): Map<string, 'real' | 'hollow'> {
  const { real, hollow } = nodeNames(config);
  return new Map([...real.map((name) => [name, 'real'] as const), ...hollow.map((name) => [name, 'hollow'] as const)]);
}
