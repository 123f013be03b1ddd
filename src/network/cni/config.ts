/** The node's CNI configuration: the standard `bridge` plugin with `host-local` addresses, and `portmap` for hostPorts. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface CniConfig {
  /** Linux bridge that pods hang on; at most 15 characters. */
  bridge: string;
  /** This node's share of the pod network. */
  podCidr: string;
  /** The whole pod network: traffic inside it is not masqueraded. */
  clusterCidr: string;
  /** Where host-local keeps which address is whose. */
  dataDir: string;
  mtu?: number;
}

export function cniConfigList(config: CniConfig): object {
  return {
    cniVersion: '0.4.0',
    name: 'k8ts',
    plugins: [
      {
        type: 'bridge',
        bridge: config.bridge,
        isGateway: true,
        // A pod reaches itself through its own service.
        hairpinMode: true,
        // Masquerading is one rule of the node's (see masquerade.ts) rather than a chain a pod.
        ipMasq: false,
        ...(config.mtu ? { mtu: config.mtu } : {}),
        ipam: { type: 'host-local', dataDir: config.dataDir, ranges: [[{ subnet: config.podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
}

/** Writes it where the runtime looks (`DIR/10-k8ts.conflist`), at once or not at all. */
export async function writeCniConfig(dir: string, config: CniConfig): Promise<void> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, '10-k8ts.conflist');
  await writeFile(`${file}.tmp`, `${JSON.stringify(cniConfigList(config), null, 2)}\n`);
  await rename(`${file}.tmp`, file);
}
