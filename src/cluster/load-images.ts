import { existsSync } from 'node:fs';
import { pino } from 'pino';
import { ClusterError } from './cluster-error.ts';
import { readConfig } from './cluster-files.ts';
import { nodeNames } from './config.ts';
import { layoutOf } from './layout.ts';
import { nodeContainerd } from './node-containerd.ts';
import { nodeLayoutOf } from './node-layout.ts';
import { placementOf } from './placement.ts';

/** Imports an OCI or docker-save archive into every node; answers the nodes. */
export async function loadImages(dataDir: string, archive: string): Promise<string[]> {
  const layout = layoutOf(dataDir);
  const config = readConfig(layout);
  if (!config) throw new ClusterError(`there is no cluster in ${dataDir}; "k8ts up" makes one`);
  if (!existsSync(archive)) throw new ClusterError(`open ${archive}: no such file or directory`);
  const nodes = nodeNames(config).real;
  if (nodes.length === 0) throw new ClusterError('simulated nodes have every image already; there is nothing to load');
  await Promise.all(
    nodes.map(async (name) => {
      const { namespace } = placementOf(layout, config, name);
      const containerd = await nodeContainerd(nodeLayoutOf(layout, name), config, namespace, pino({ level: 'silent' }));
      await containerd.importImages(archive);
    }),
  );
  return nodes;
}
