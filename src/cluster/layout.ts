/** Where a cluster's files lie below its data directory. */
import { join } from 'node:path';

export type Layout = ReturnType<typeof layoutOf>;

export function layoutOf(dataDir: string) {
  return {
    dataDir,
    config: join(dataDir, 'cluster.json'),
    pki: join(dataDir, 'pki'),
    etcdPki: join(dataDir, 'pki', 'etcd'),
    store: join(dataDir, 'store'),
    logs: join(dataDir, 'logs'),
    run: join(dataDir, 'run'),
    kubeconfig: join(dataDir, 'admin.conf'),
    /** One folder a node: containerd's root and state, the kubelet's root, pod logs, CNI configuration. */
    node: (name: string) => join(dataDir, 'nodes', name),
    log: (component: string) => join(dataDir, 'logs', `${component}.log`),
    pidFile: (component: string) => join(dataDir, 'run', `${component}.json`),
  };
}
