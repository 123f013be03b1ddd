/** What the host's kernel must do for pods to reach each other and the world, and how to take it back. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { commandEnvironment } from '../command-environment.ts';
import { hasLink, ipBatch } from '../nodes/ip.ts';
import { ensureRule, iptablesRestore, removeChains } from '../proxy/iptables.ts';

const execute = promisify(execFile);

const sysctls: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '1',
  // Node ports answer on 127.0.0.1 too (upstream's --iptables-localhost-nodeports).
  'net/ipv4/conf/all/route_localnet': '1',
  // Traffic between pods on one bridge meets the service rules as well.
  'net/bridge/bridge-nf-call-iptables': '1',
};

/** Lets this namespace forward packets, and its bridges and loopback meet the service rules. */
export async function ensureSysctls(): Promise<void> {
  if (!existsSync('/proc/sys/net/bridge')) await execute('modprobe', ['br_netfilter'], { env: commandEnvironment }).catch(() => undefined);
  for (const [name, value] of Object.entries(sysctls)) {
    const file = `/proc/sys/${name}`;
    if (!existsSync(file)) throw new Error(`the kernel lacks ${name.replaceAll('/', '.')}: load the module br_netfilter`);
    if ((await readFile(file, 'utf8')).trim() !== value) await writeFile(file, value);
  }
}

const masqueradeChain = (bridge: string) => `K8TS-MASQ-${bridge}`;

/** Sets the sysctls, and masquerades what pods send out of the pod network. Repeatable. */
export async function prepareHostNetwork(bridge: string, clusterCidr: string): Promise<void> {
  await ensureSysctls();
  const chain = masqueradeChain(bridge);
  await iptablesRestore(
    `*nat\n:${chain} - [0:0]\n-A ${chain} -d ${clusterCidr} -j RETURN\n-A ${chain} -m comment --comment "k8ts: pods to the world" -j MASQUERADE --random-fully\nCOMMIT\n` +
      `*filter\n:${chain} - [0:0]\n-A ${chain} -i ${bridge} -j ACCEPT\n-A ${chain} -o ${bridge} -j ACCEPT\nCOMMIT\n`,
  );
  await ensureRule('nat', 'POSTROUTING', ['-s', clusterCidr, '-m', 'addrtype', '!', '--dst-type', 'LOCAL', '-j', chain]);
  // Hosts whose FORWARD policy is DROP (Docker sets it so) let pods' traffic through.
  await ensureRule('filter', 'FORWARD', ['-j', chain]);
}

/** Removes the bridge and the rules of `prepareHostNetwork`. */
export async function cleanupHostNetwork(bridge: string): Promise<void> {
  await removeChains([masqueradeChain(bridge)]);
  if (await hasLink(bridge)) await ipBatch([`link delete ${bridge}`]);
}
