import type { Logger } from 'pino';
import { type Containerd, defaultOciRuntime, pauseImageName, startContainerd } from '../runtime/index.ts';
import { systemClock } from '../time/index.ts';
import type { ClusterConfig } from './config.ts';
import { cniBinDir, type NodeLayout } from './node-layout.ts';

/** The node's own containerd: found again where it runs, started where it does not. */
export function nodeContainerd(node: NodeLayout, config: ClusterConfig, logger: Logger): Promise<Containerd> {
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
    { clock: systemClock, logger, logFile: node.containerdLog },
  );
}
