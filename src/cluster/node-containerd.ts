import type { Logger } from 'pino';
import { type Containerd, defaultOciRuntime, pauseImageName, startContainerd } from '../runtime/index.ts';
import { systemClock } from '../time/index.ts';
import type { ClusterConfig } from './config.ts';
import { cniBinDir, type NodeLayout } from './node-layout.ts';
import { launcherOf } from './placement.ts';

/** The node's own containerd: found again where it runs, started where it does not, in the namespace where the node has one. */
export function nodeContainerd(
  node: NodeLayout,
  config: ClusterConfig,
  namespace: string | undefined,
  logger: Logger,
): Promise<Containerd> {
  return startContainerd(
    {
      dir: node.containerd,
      stateDir: node.containerdState,
      cniBinDir: cniBinDir(),
      cniConfDir: node.cniConf,
      ociRuntime: defaultOciRuntime(),
      sandboxImage: pauseImageName,
      registryMirrors: config.registryMirrors,
    },
    { clock: systemClock, logger, logFile: node.containerdLog, launcher: launcherOf(namespace) },
  );
}
