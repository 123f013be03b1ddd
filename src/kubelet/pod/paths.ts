/** Where a pod's files are, below the kubelet's root directory and its log directory. Upstream's layout: other tools read it. */
import { join } from 'node:path';
import type { Pod } from '../../api/index.ts';
import { uidOf } from './identity.ts';

export interface Paths {
  root: string;
  pods: string;
  pod(uid: string): string;
  /** A volume's directory; `plugin` as `kubernetes.io~empty-dir`. */
  volume(uid: string, plugin: string, name: string): string;
  etcHosts(uid: string): string;
  /** Holds a container's termination messages. */
  container(uid: string, container: string): string;
  podLogs(pod: Pod): string;
}

export function kubeletPaths(rootDir: string, podLogsDir: string): Paths {
  const pods = join(rootDir, 'pods');
  const pod = (uid: string) => join(pods, uid);
  return {
    root: rootDir,
    pods,
    pod,
    volume: (uid, plugin, name) => join(pod(uid), 'volumes', plugin, name),
    etcHosts: (uid) => join(pod(uid), 'etc-hosts'),
    container: (uid, container) => join(pod(uid), 'containers', container),
    podLogs: (p) => join(podLogsDir, `${p.metadata.namespace}_${p.metadata.name}_${uidOf(p)}`),
  };
}

/** A container's log file below its pod's log directory. */
export function containerLogPath(container: string, restartCount: number): string {
  return join(container, `${restartCount}.log`);
}
