/** Where a node's files lie, and the names it gives to things of the kernel. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

export type NodeLayout = ReturnType<typeof nodeLayoutOf>;

/** Unix socket names and bridge names are short, so both carry a digest of the data directory and the node's name. */
function tagOf(layout: Layout, node: string): string {
  return createHash('sha256').update(`${layout.dataDir}\n${node}`).digest('hex').slice(0, 8);
}

/** Tells the cluster from others on this machine. */
export const clusterTag = (layout: Layout): string => tagOf(layout, '');

export function nodeLayoutOf(layout: Layout, node: string) {
  const dir = layout.node(node);
  const tag = tagOf(layout, node);
  return {
    tag,
    dir,
    containerd: join(dir, 'containerd'),
    /** containerd's sockets and mounts. */
    containerdState: join('/run/k8ts', tag),
    containerdLog: layout.log(`containerd-${node}`),
    kubelet: join(dir, 'kubelet'),
    podLogs: join(dir, 'pod-logs'),
    cniConf: join(dir, 'cni/net.d'),
    cniData: join(dir, 'cni/networks'),
    bridge: `k8ts${tag}`,
    /** Its network namespace, where it has one of its own, and its interface on the cluster's switch. */
    namespace: `k8ts-${tag}`,
    port: `node${tag}`,
    cgroupRoot: `/k8ts-${tag}`,
  };
}

/** Where the CNI plugins are: Debian's place, or the one CNI itself installs to. */
export function cniBinDir(): string {
  return ['/usr/lib/cni', '/opt/cni/bin'].find((dir) => existsSync(join(dir, 'bridge'))) ?? '/opt/cni/bin';
}
