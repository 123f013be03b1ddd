/**
 * Service ports as iptables rules, in upstream's chains and words (kube-proxy's iptables mode), so that what
 * `iptables-save | grep NAME` shows is what operators know. Pure: text in, text out.
 */
import { createHash } from 'node:crypto';
import { nearestEndpoints, type ProxyEndpoint, type ServicePort, usableEndpoints } from './service-map.ts';

export type Table = 'nat' | 'filter';

/** The rules of both tables: chain name to its rules without `-A CHAIN`. */
export type RuleSet = Record<Table, Map<string, string[]>>;

export interface RuleOptions {
  /** Pods' addresses; traffic from elsewhere to a cluster IP is masqueraded. */
  podCidr: string;
  /** Masquerade everything that goes to a cluster IP (--masquerade-all). */
  masqueradeAll?: boolean;
  /** Bit of the packet mark that asks for masquerading (--iptables-masquerade-bit, 14). */
  masqueradeMark?: string;
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The first 16 base32 digits of the SHA-256: upstream's chain suffix. */
function suffix(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  let bits = 0;
  let value = 0;
  let out = '';
  for (const byte of digest) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5 && out.length < 16) {
      out += base32[(value >> (bits - 5)) & 31];
      bits -= 5;
    }
  }
  return out;
}

const chainOf = (kind: 'SVC' | 'SVL' | 'EXT' | 'FW', port: ServicePort) => `KUBE-${kind}-${suffix(port.name + port.protocol)}`;
const endpointChain = (port: ServicePort, e: ProxyEndpoint) => `KUBE-SEP-${suffix(`${port.name}${port.protocol}${e.ip}:${e.port}`)}`;
const comment = (text: string) => `-m comment --comment "${text}"`;
/** iptables-save quotes a comment only where it holds blanks. */
const bare = (text: string) => `-m comment --comment ${text}`;

/** Where the kernel's chains lead into ours: [table, builtin chain, rule]. */
export const jumps: readonly (readonly [Table, string, string])[] = [
  ['filter', 'INPUT', `-m conntrack --ctstate NEW ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`],
  ['filter', 'OUTPUT', `-m conntrack --ctstate NEW ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`],
  ['filter', 'FORWARD', `-m conntrack --ctstate NEW ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`],
  ['filter', 'INPUT', `-m conntrack --ctstate NEW ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`],
  ['filter', 'FORWARD', `-m conntrack --ctstate NEW ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`],
  ['filter', 'INPUT', `${comment('kubernetes health check service ports')} -j KUBE-NODEPORTS`],
  ['filter', 'FORWARD', `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`],
  ['filter', 'OUTPUT', `-m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`],
  ['filter', 'FORWARD', `${comment('kubernetes forwarding rules')} -j KUBE-FORWARD`],
  ['nat', 'OUTPUT', `${comment('kubernetes service portals')} -j KUBE-SERVICES`],
  ['nat', 'PREROUTING', `${comment('kubernetes service portals')} -j KUBE-SERVICES`],
  ['nat', 'POSTROUTING', `${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING`],
];

/** All rules for these service ports. */
export function iptablesRules(ports: readonly ServicePort[], options: RuleOptions): RuleSet {
  const { podCidr, masqueradeAll = false, masqueradeMark = '0x4000' } = options;
  const rules: RuleSet = { nat: new Map(), filter: new Map() };
  const add = (table: Table, chain: string, ...lines: string[]) => {
    const list = rules[table].get(chain);
    if (list) list.push(...lines);
    else rules[table].set(chain, lines);
  };
  for (const chain of ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', 'KUBE-PROXY-CANARY']) add('nat', chain);
  for (const chain of [
    'KUBE-SERVICES',
    'KUBE-EXTERNAL-SERVICES',
    'KUBE-NODEPORTS',
    'KUBE-FORWARD',
    'KUBE-PROXY-FIREWALL',
    'KUBE-PROXY-CANARY',
  ])
    add('filter', chain);
  const mark = `${masqueradeMark}/${masqueradeMark}`;
  add(
    'nat',
    'KUBE-POSTROUTING',
    `-m mark ! --mark ${mark} -j RETURN`,
    `-j MARK --xor-mark ${masqueradeMark}`,
    `${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
  );
  add('nat', 'KUBE-MARK-MASQ', `-j MARK --or-mark ${masqueradeMark}`);
  add(
    'filter',
    'KUBE-FORWARD',
    '-m conntrack --ctstate INVALID -j DROP',
    `${comment('kubernetes forwarding rules')} -m mark --mark ${mark} -j ACCEPT`,
    `${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  );

  for (const port of ports) addServicePort(port, { podCidr, masqueradeAll }, add);

  add(
    'nat',
    'KUBE-SERVICES',
    `${comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
  );
  return rules;
}

type Add = (table: Table, chain: string, ...lines: string[]) => void;

function addServicePort(port: ServicePort, options: { podCidr: string; masqueradeAll: boolean }, add: Add): void {
  const cluster = nearestEndpoints(port.endpoints);
  const local = usableEndpoints(port.endpoints.filter((e) => e.isLocal));
  const internal = port.internalPolicyLocal ? local : cluster;
  const external = port.externalPolicyLocal ? local : cluster;
  const proto = `-m ${port.protocol} -p ${port.protocol}`;
  const to = (ip: string) => `${proto} -d ${ip} --dport ${port.port}`;
  const hasExternal = port.nodePort > 0 || port.externalIPs.length > 0 || port.loadBalancerIPs.length > 0;
  const svc = chainOf('SVC', port);
  const svl = chainOf('SVL', port);
  const ext = chainOf('EXT', port);
  const clusterChain = port.internalPolicyLocal ? svl : svc;
  const needsClusterChain = (!port.internalPolicyLocal && cluster.length > 0) || (hasExternal && cluster.length > 0);
  const needsLocalChain = (port.internalPolicyLocal && local.length > 0) || (hasExternal && port.externalPolicyLocal && cluster.length > 0);

  if (internal.length > 0) add('nat', 'KUBE-SERVICES', `${comment(`${port.name} cluster IP`)} ${to(port.clusterIP)} -j ${clusterChain}`);
  else if (cluster.length > 0 && port.internalPolicyLocal)
    add('filter', 'KUBE-SERVICES', `${comment(`${port.name} has no local endpoints`)} ${to(port.clusterIP)} -j DROP`);
  else add('filter', 'KUBE-SERVICES', `${comment(`${port.name} has no endpoints`)} ${to(port.clusterIP)} -j REJECT`);

  if (hasExternal && cluster.length > 0) addExternal(port, { ...options, external, local, svc, svl, ext, to, proto }, add);
  else if (hasExternal) {
    const reject = (match: string) =>
      add('filter', 'KUBE-EXTERNAL-SERVICES', `${comment(`${port.name} has no endpoints`)} ${match} -j REJECT`);
    for (const ip of [...port.externalIPs, ...port.loadBalancerIPs]) reject(to(ip));
    if (port.nodePort > 0) reject(`-m addrtype --dst-type LOCAL ${proto} --dport ${port.nodePort}`);
  }
  if (port.healthCheckNodePort > 0)
    add(
      'filter',
      'KUBE-NODEPORTS',
      `${comment(`${port.name} health check node port`)} -m tcp -p tcp --dport ${port.healthCheckNodePort} -j ACCEPT`,
    );

  if (internal.length > 0) {
    const mark = options.masqueradeAll ? '' : `! -s ${options.podCidr} `;
    add('nat', clusterChain, `${comment(`${port.name} cluster IP`)} ${to(port.clusterIP)} ${mark}-j KUBE-MARK-MASQ`);
  }
  if (needsClusterChain) addBalancing(port, svc, cluster, add);
  if (needsLocalChain) addBalancing(port, svl, local, add);
  const endpoints = new Map([...cluster, ...local].map((e) => [endpointChain(port, e), e]));
  if (needsClusterChain || needsLocalChain) for (const [chain, endpoint] of endpoints) addEndpoint(port, chain, endpoint, add);
}

interface External {
  podCidr: string;
  external: readonly ProxyEndpoint[];
  local: readonly ProxyEndpoint[];
  svc: string;
  svl: string;
  ext: string;
  proto: string;
  to(ip: string): string;
}

function addExternal(port: ServicePort, x: External, add: Add): void {
  const { ext, svc, svl, to, proto } = x;
  for (const ip of port.externalIPs) add('nat', 'KUBE-SERVICES', `${comment(`${port.name} external IP`)} ${to(ip)} -j ${ext}`);
  for (const ip of port.loadBalancerIPs) {
    const firewalled = port.loadBalancerSourceRanges.length > 0;
    add('nat', 'KUBE-SERVICES', `${comment(`${port.name} loadbalancer IP`)} ${to(ip)} -j ${ext}`);
    if (firewalled)
      add(
        'filter',
        'KUBE-PROXY-FIREWALL',
        `${comment(`${port.name} traffic not accepted by ${chainOf('FW', port)}`)} ${to(ip)} -j ${chainOf('FW', port)}`,
      );
  }
  if (port.loadBalancerIPs.length > 0 && port.loadBalancerSourceRanges.length > 0) {
    for (const range of port.loadBalancerSourceRanges) add('filter', chainOf('FW', port), `-s ${range} -j RETURN`);
    add('filter', chainOf('FW', port), `${comment(`${port.name} loadbalancer IP`)} -j DROP`);
  }
  if (port.nodePort > 0) add('nat', 'KUBE-NODEPORTS', `${bare(port.name)} ${proto} --dport ${port.nodePort} -j ${ext}`);
  if (!port.externalPolicyLocal) {
    add('nat', ext, `${comment(`masquerade traffic for ${port.name} external destinations`)} -j KUBE-MARK-MASQ`, `-j ${svc}`);
    return;
  }
  add(
    'nat',
    ext,
    `${comment(`pod traffic for ${port.name} external destinations`)} -s ${x.podCidr} -j ${svc}`,
    `${comment(`masquerade LOCAL traffic for ${port.name} external destinations`)} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
    `${comment(`route LOCAL traffic for ${port.name} external destinations`)} -m addrtype --src-type LOCAL -j ${svc}`,
  );
  if (x.local.length > 0) add('nat', ext, `-j ${svl}`);
  else {
    const drop = (match: string) =>
      add('filter', 'KUBE-EXTERNAL-SERVICES', `${comment(`${port.name} has no local endpoints`)} ${match} -j DROP`);
    for (const ip of [...port.externalIPs, ...port.loadBalancerIPs]) drop(to(ip));
    if (port.nodePort > 0) drop(`-m addrtype --dst-type LOCAL ${proto} --dport ${port.nodePort}`);
  }
}

/** Jumps to the endpoints with equal chances; with session affinity first to the one a client had. */
function addBalancing(port: ServicePort, chain: string, endpoints: readonly ProxyEndpoint[], add: Add): void {
  const arrow = (e: ProxyEndpoint) => comment(`${port.name} -> ${e.ip}:${e.port}`);
  if (port.affinitySeconds > 0) {
    for (const e of endpoints) {
      const sep = endpointChain(port, e);
      add('nat', chain, `${arrow(e)} -m recent --name ${sep} --rcheck --seconds ${port.affinitySeconds} --reap -j ${sep}`);
    }
  }
  endpoints.forEach((e, i) => {
    const left = endpoints.length - i;
    const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : '';
    add('nat', chain, `${arrow(e)} ${chance}-j ${endpointChain(port, e)}`);
  });
}

function addEndpoint(port: ServicePort, chain: string, e: ProxyEndpoint, add: Add): void {
  const recent = port.affinitySeconds > 0 ? `-m recent --name ${chain} --set ` : '';
  add(
    'nat',
    chain,
    `${bare(port.name)} -s ${e.ip} -j KUBE-MARK-MASQ`,
    `${bare(port.name)} ${recent}-m ${port.protocol} -p ${port.protocol} -j DNAT --to-destination ${e.ip}:${e.port}`,
  );
}

/**
 * What `iptables-restore --noflush` needs to come from `before` to `after`: only chains whose rules changed are written, chains
 * that are gone are deleted. Empty where nothing changed.
 */
export function restoreInput(before: RuleSet | undefined, after: RuleSet): string {
  let out = '';
  for (const table of ['filter', 'nat'] as const) {
    const old = before?.[table] ?? new Map<string, string[]>();
    const changed = [...after[table]].filter(([chain, rules]) => !sameRules(old.get(chain), rules));
    const gone = [...old.keys()].filter((chain) => !after[table].has(chain));
    if (changed.length === 0 && gone.length === 0) continue;
    const declared = [...changed.map(([chain]) => chain), ...gone].map((chain) => `:${chain} - [0:0]\n`).join('');
    const rules = changed.flatMap(([chain, lines]) => lines.map((line) => `-A ${chain} ${line}\n`)).join('');
    out += `*${table}\n${declared}${rules}${gone.map((chain) => `-X ${chain}\n`).join('')}COMMIT\n`;
  }
  return out;
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, i) => rule === b[i]);
}
