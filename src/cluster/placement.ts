/**
 * Where nodes live. The first real node of the machine's first real cluster is in the host's network namespace, so that node ports
 * answer on 127.0.0.1; every other has a namespace of its own, like the node containers of kind. A cluster's control plane lives with
 * its first node, since webhooks and proxied requests need a way to pods.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import {
  contains,
  ensureNodeNamespace,
  ensureNodeNetwork,
  enterNamespace,
  type LoopbackService,
  type NodeNetwork,
  nameserversOf,
  overlaps,
  removeNodeNamespace,
  removeNodeNetwork,
} from '../network/index.ts';
import { claim, releaseClaim } from './claims.ts';
import { ClusterError } from './cluster-error.ts';
import { type ClusterConfig, nodeNames, nthAddress } from './config.ts';
import type { Layout } from './layout.ts';
import { clusterTag, nodeLayoutOf } from './node-layout.ts';

export interface Placement {
  /** The network namespace; undefined for the host's. */
  namespace?: string;
  /** The node's address. */
  address: string;
}

const hostClaim = 'host-network';
const subnetClaim = (cidr: string) => `node-network-${cidr.split('/')[0]}`;
const gatewayOf = (nodeCidr: string) => nthAddress(nodeCidr, 1);

/** Decides, for a cluster with real nodes, what `up` leaves open; what was decided before stays where it can. */
export function place(layout: Layout, config: ClusterConfig, before: ClusterConfig | undefined): ClusterConfig {
  if (nodeNames(config).real.length === 0)
    return { ...config, advertiseAddress: config.advertiseAddress || (primaryAddress() ?? nobodysAddress) };
  const hostNetwork = before?.hostNetwork !== false && claim(hostClaim, layout.dataDir);
  if (!hostNetwork && config.runtimeEndpoint)
    throw new ClusterError('another cluster has the network of this machine, which a node with --runtime-endpoint needs');
  const nodeCidr = claimSubnet(layout, config, before?.nodeCidr);
  const firstAddress = hostNetwork ? (primaryAddress() ?? gatewayOf(nodeCidr)) : nthAddress(nodeCidr, 2);
  return { ...config, hostNetwork, nodeCidr, advertiseAddress: config.advertiseAddress || firstAddress };
}

/** Endpoints may not be loopback addresses; without nodes nobody asks at this one (RFC 2544's range belongs to nobody). */
export const nobodysAddress = '198.18.0.1';

/** The machine's first IPv4 address that is not loopback. */
export function primaryAddress(): string | undefined {
  return Object.entries(networkInterfaces())
    .filter(([name]) => !/^(cni|docker|br-|veth|flannel|k8ts)/.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .find((a) => a.family === 'IPv4' && !a.internal)?.address;
}

function claimSubnet(layout: Layout, config: ClusterConfig, before: string | undefined): string {
  if (before && claim(subnetClaim(before), layout.dataDir)) return before;
  const taken = [config.podCidr, config.serviceCidr, ...knownRoutes()];
  for (let n = 0; n < 256; n++) {
    const cidr = `172.30.${n}.0/24`;
    if (!taken.some((other) => overlaps(cidr, other)) && claim(subnetClaim(cidr), layout.dataDir)) return cidr;
  }
  throw new ClusterError('all of 172.30.0.0/16 is in use: there are no addresses for nodes');
}

/** Where this machine routes to, the default apart (proc(5), /proc/net/route: little-endian hexadecimal). */
function knownRoutes(): string[] {
  const address = (hex: string) =>
    (hex.match(/../g) ?? [])
      .map((byte) => Number.parseInt(byte, 16))
      .reverse()
      .join('.');
  const bits = (hex: string) => [...Number.parseInt(hex, 16).toString(2)].filter((bit) => bit === '1').length;
  return readFileSync('/proc/net/route', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .map(([, destination = '', , , , , , mask = '']) => `${address(destination)}/${bits(mask)}`)
    .filter((cidr) => !cidr.endsWith('/0'));
}

/** Where a real node lives. */
export function placementOf(layout: Layout, config: ClusterConfig, nodeName: string): Placement {
  const index = nodeNames(config).real.indexOf(nodeName);
  if (index < 0) throw new Error(`there is no node ${nodeName}`);
  // Clusters of earlier versions have one node, on the host.
  if (index === 0 && config.hostNetwork !== false) return { address: config.advertiseAddress };
  if (!config.nodeCidr) throw new Error(`${layout.config} names no addresses for nodes`);
  return { namespace: nodeLayoutOf(layout, nodeName).namespace, address: nthAddress(config.nodeCidr, index + 2) };
}

/** Where the control plane lives: with the first real node, else on the host. */
export function controlPlaneNamespace(layout: Layout, config: ClusterConfig): string | undefined {
  const [first] = nodeNames(config).real;
  return first === undefined ? undefined : placementOf(layout, config, first).namespace;
}

/** Where node ports answer on this machine; undefined where there are no real nodes. */
export function nodePortAddress(layout: Layout, config: ClusterConfig): string | undefined {
  const [first] = nodeNames(config).real;
  if (first === undefined) return undefined;
  const { namespace, address } = placementOf(layout, config, first);
  return namespace === undefined ? '127.0.0.1' : address;
}

/** The command line before a program's that runs it where the node lives; empty for the host. */
export function launcherOf(namespace: string | undefined): readonly string[] {
  return namespace === undefined ? [] : enterNamespace(namespace);
}

/** The API server as this node's agent reaches it. */
export function serverUrlFor(config: ClusterConfig, nodeName: string): string {
  const isLocal = nodeNames(config).real[0] === nodeName;
  return `https://${isLocal ? '127.0.0.1' : config.advertiseAddress}:${config.apiPort}`;
}

/** The neighbour through which this node reaches the addresses of the cluster's other real nodes. */
export function nextHopFrom(config: ClusterConfig): (address: string) => string | undefined {
  const { nodeCidr, advertiseAddress, hostNetwork } = config;
  return (address) => {
    if (!nodeCidr) return undefined;
    if (contains(nodeCidr, address)) return address;
    // The node on the host is behind the others' gateway; simulated nodes are nowhere.
    return hostNetwork && address === advertiseAddress ? gatewayOf(nodeCidr) : undefined;
  };
}

/** Makes the network and the namespaces that the cluster's nodes need. Repeatable. */
export async function prepareNamespaces(layout: Layout, config: ClusterConfig): Promise<void> {
  const { nodeCidr, advertiseAddress } = config;
  if (!nodeCidr) return;
  const gateway = gatewayOf(nodeCidr);
  const nodes = nodeNames(config).real.flatMap((name) => {
    const { namespace, address } = placementOf(layout, config, name);
    return namespace ? [{ name: namespace, address, port: nodeLayoutOf(layout, name).port }] : [];
  });
  if (nodes.length === 0 && advertiseAddress !== gateway) return;
  const network: NodeNetwork = {
    tag: clusterTag(layout),
    cidr: nodeCidr,
    gateway,
    routed: config.hostNetwork ? [config.podCidr] : [],
    loopback: await loopbackServices(config),
  };
  await ensureNodeNetwork(network);
  await Promise.all(nodes.map((node) => ensureNodeNamespace(network, node)));
}

/** What nodes use of the host's loopback: a resolver's stub, registries. */
async function loopbackServices(config: ClusterConfig): Promise<LoopbackService[]> {
  const resolvers = (await nameserversOf('/etc/resolv.conf')).filter((address) => address.startsWith('127.'));
  const registries = Object.values(config.registryMirrors)
    .flat()
    .map((url) => new URL(url))
    .filter(({ hostname }) => hostname === 'localhost' || /^127\.[\d.]+$/.test(hostname));
  return [
    ...resolvers.flatMap((address) => (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address, port: 53 }))),
    ...registries.map(({ hostname, port, protocol }) => ({
      protocol: 'tcp' as const,
      address: hostname === 'localhost' ? '127.0.0.1' : hostname,
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
    })),
  ];
}

/** Takes everything of it away again, and lets other clusters have what this one had. */
export async function removeNamespaces(layout: Layout, config: ClusterConfig): Promise<void> {
  for (const name of nodeNames(config).real) {
    const { namespace } = placementOf(layout, config, name);
    if (namespace) await removeNodeNamespace(namespace);
  }
  if (!config.nodeCidr) return;
  await removeNodeNetwork(clusterTag(layout));
  releaseClaim(subnetClaim(config.nodeCidr), layout.dataDir);
  releaseClaim(hostClaim, layout.dataDir);
}
