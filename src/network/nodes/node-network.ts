/**
 * The network between nodes that share a machine. A node's service rules, routes and node ports are global to a network namespace, so
 * each node beside the first has one of its own. They hang on a bridge, the cluster's switch, and the switch is in a namespace of its
 * own too: what nodes send each other never meets the host's firewall or its connection tracking (bridges hand packets to both where
 * br_netfilter is loaded), so that clusters may use the same pod addresses. The host has one leg in it, which is the nodes' gateway.
 *
 *     host ── k8tsTAG ═ host │ switch namespace k8ts-TAG: bridge │ PORT ═ eth0 │ node namespace │ pods' bridge
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { ensureSysctls } from '../cni/host.ts';
import { ensureRule, iptablesRestore, removeChains } from '../proxy/iptables.ts';
import { hasLink, ipBatch, ipJson } from './ip.ts';
import { type LoopbackService, loopbackChain, loopbackRulesOfHost, loopbackRulesOfNode } from './loopback.ts';

const execute = promisify(execFile);

export interface NodeNetwork {
  /** Tells the cluster from others on this machine; at most 10 characters. */
  tag: string;
  /** The nodes' addresses. */
  cidr: string;
  /** The host's address in it. */
  gateway: string;
  /** What else the host routes to unmasqueraded: the pods' addresses, where the host is one of the cluster's nodes. */
  routed: readonly string[];
  /** Services on the host's loopback that nodes use. */
  loopback: readonly LoopbackService[];
}

export interface NodeNamespace {
  /** Of the network namespace. */
  name: string;
  address: string;
  /** The interface on the switch; at most 15 characters. */
  port: string;
}

const switchOf = (tag: string) => `k8ts-${tag}`;
const hostLink = (tag: string) => `k8ts${tag}`;
const chainOf = (tag: string) => `K8TS-NODES-${tag}`;

export const namespaceFile = (name: string) => `/run/netns/${name}`;

/** The command line before a program's that runs it in the namespace, with the host's mounts (`ip netns exec` would remount /sys). */
export const enterNamespace = (name: string): string[] => ['nsenter', `--net=${namespaceFile(name)}`, '--'];

/** Makes the cluster's switch and the host's leg in it. Repeatable. */
export async function ensureNodeNetwork(network: NodeNetwork): Promise<void> {
  const { tag, cidr, gateway } = network;
  // Before the namespace is made: with br_netfilter loaded, its setting is there to be changed.
  await ensureSysctls();
  const isComplete = existsSync(namespaceFile(switchOf(tag))) && (await hasAddress(hostLink(tag), gateway));
  if (!isComplete) {
    await removeSwitch(tag);
    await ipBatch([`netns add ${switchOf(tag)}`]);
    await execute('nsenter', [
      ...enterNamespace(switchOf(tag)).slice(1),
      'sh',
      '-c',
      'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables',
    ]);
    await ipBatch(['link add bridge type bridge', 'link set bridge up'], switchOf(tag));
    await ipBatch([`link add ${hostLink(tag)} type veth peer name host netns ${switchOf(tag)}`]);
    await ipBatch(['link set host master bridge up'], switchOf(tag));
    await ipBatch([`link set ${hostLink(tag)} up`, `address add ${gateway}/${cidr.split('/')[1]} dev ${hostLink(tag)}`]);
  }
  await ensureHostRules(network);
}

async function ensureHostRules({ tag, cidr, gateway, routed, loopback }: NodeNetwork): Promise<void> {
  const chain = chainOf(tag);
  const link = hostLink(tag);
  const returns = [cidr, ...routed].map((to) => `-A ${chain} -d ${to} -j RETURN\n`).join('');
  await iptablesRestore(
    `*nat\n:${chain} - [0:0]\n${returns}-A ${chain} -m comment --comment "k8ts: nodes to the world" -j MASQUERADE --random-fully\nCOMMIT\n` +
      `*filter\n:${chain} - [0:0]\n-A ${chain} -i ${link} -j ACCEPT\n-A ${chain} -o ${link} -j ACCEPT\nCOMMIT\n`,
  );
  await ensureRule('nat', 'POSTROUTING', ['-s', cidr, '-j', chain]);
  await ensureRule('filter', 'FORWARD', ['-j', chain]);
  if (loopback.length === 0) return;
  const { input, jumps } = loopbackRulesOfHost({ tag, link, gateway, services: loopback });
  await iptablesRestore(input);
  for (const [builtin, rule] of jumps) await ensureRule('nat', builtin, rule);
}

/** Makes a node's namespace and plugs it into the switch. Repeatable. */
export async function ensureNodeNamespace(network: NodeNetwork, node: NodeNamespace): Promise<void> {
  const { name, address, port } = node;
  // The default route is the last that is set.
  const routes = existsSync(namespaceFile(name)) ? await ipJson(['route', 'show', 'default'], name) : [];
  const isComplete =
    Array.isArray(routes) && routes.length > 0 && (await hasAddress('eth0', address, name)) && (await isPlugged(network, node));
  if (isComplete) return;
  await removeNodeNamespace(name);
  await ipBatch([`netns add ${name}`]);
  await ipBatch([`link add eth0 type veth peer name ${port} netns ${switchOf(network.tag)}`, 'link set lo up'], name);
  await ipBatch([`link set ${port} master bridge up`], switchOf(network.tag));
  if (network.loopback.length > 0)
    await iptablesRestore(
      loopbackRulesOfNode({ tag: network.tag, gateway: network.gateway, services: network.loopback }),
      enterNamespace(name),
    );
  await ipBatch(
    [`address add ${address}/${network.cidr.split('/')[1]} dev eth0`, 'link set eth0 up', `route add default via ${network.gateway}`],
    name,
  );
}

async function isPlugged(network: NodeNetwork, node: NodeNamespace): Promise<boolean> {
  return existsSync(namespaceFile(switchOf(network.tag))) && hasLink(node.port, switchOf(network.tag));
}

async function hasAddress(link: string, address: string, namespace?: string): Promise<boolean> {
  if (!(await hasLink(link, namespace))) return false;
  // What `ip -json address` prints (ip-address(8)).
  const [found] = (await ipJson(['address', 'show', 'dev', link], namespace)) as { addr_info?: { local?: string }[] }[];
  return found?.addr_info?.some((a) => a.local === address) ?? false;
}

/** Takes the name away; with the last process in it the namespace goes, and what is in it. */
export async function removeNodeNamespace(name: string): Promise<void> {
  if (!existsSync(namespaceFile(name))) return;
  // At once, not when the kernel comes round to it: the peer's name may be wanted again.
  if (await hasLink('eth0', name)) await ipBatch(['link delete eth0'], name);
  await ipBatch([`netns delete ${name}`]);
}

async function removeSwitch(tag: string): Promise<void> {
  if (await hasLink(hostLink(tag))) await ipBatch([`link delete ${hostLink(tag)}`]);
  if (existsSync(namespaceFile(switchOf(tag)))) await ipBatch([`netns delete ${switchOf(tag)}`]);
}

/** Takes the switch, the host's leg and its rules away. Repeatable. */
export async function removeNodeNetwork(tag: string): Promise<void> {
  await removeChains([chainOf(tag), loopbackChain(tag)]);
  await removeSwitch(tag);
}
