/** A pod's resolver and names. */
import { readFile } from 'node:fs/promises';
import type { Pod } from '../../api/index.ts';

export interface ResolverConfig {
  servers: string[];
  searches: string[];
  options: string[];
}

/** Reads resolv.conf's three settings that matter. */
export function parseResolvConf(text: string): ResolverConfig {
  const config: ResolverConfig = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0]) config.servers.push(values[0]);
    else if (keyword === 'search') config.searches = values.map((v) => (v === '.' ? v : v.replace(/\.$/, '')));
    else if (keyword === 'options') config.options = values;
  }
  return config;
}

export async function hostResolver(path: string): Promise<ResolverConfig> {
  if (path === '') return { servers: [], searches: [], options: [] };
  return parseResolvConf(
    await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    }),
  );
}

const maxServers = 3;
const maxSearches = 32;

/** What the pod's dnsPolicy and dnsConfig make of the cluster's and the host's resolvers. */
export function podResolver(pod: Pod, host: ResolverConfig, cluster: { servers: readonly string[]; domain: string }): ResolverConfig {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec;
  const fromCluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  let config: ResolverConfig;
  if (dnsPolicy === 'None') config = { servers: [], searches: [], options: [] };
  else if (fromCluster && cluster.servers.length > 0) {
    const { domain } = cluster;
    const searches = domain ? [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain] : [];
    config = { servers: [...cluster.servers], searches: [...new Set([...searches, ...host.searches])], options: ['ndots:5'] };
  } else config = host;
  if (!dnsConfig) return limited(config);
  const options = new Map(config.options.map((text) => [text.split(':')[0] ?? '', text]));
  for (const { name = '', value } of dnsConfig.options ?? []) options.set(name, value === undefined ? name : `${name}:${value}`);
  return limited({
    servers: [...new Set([...config.servers, ...(dnsConfig.nameservers ?? [])])],
    searches: [...new Set([...config.searches, ...(dnsConfig.searches ?? [])])],
    options: [...options.values()],
  });
}

const limited = (config: ResolverConfig): ResolverConfig => ({
  ...config,
  servers: config.servers.slice(0, maxServers),
  searches: config.searches.slice(0, maxSearches),
});

/** The pod's host name and, with a subdomain, its domain. */
export function podHostname(pod: Pod, node: string, clusterDomain: string): { hostname: string; domain: string } {
  if (pod.spec.hostnameOverride) return { hostname: pod.spec.hostnameOverride, domain: '' };
  if (pod.spec.hostNetwork) return { hostname: node, domain: '' };
  const hostname = (pod.spec.hostname || (pod.metadata.name ?? '')).slice(0, 63).replace(/[-.]+$/, '');
  const domain = pod.spec.subdomain ? `${pod.spec.subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '';
  return { hostname: pod.spec.setHostnameAsFQDN && domain ? `${hostname}.${domain}` : hostname, domain };
}

/** The /etc/hosts that the kubelet keeps for a pod; `host` is the node's own file for pods in its network. */
export function hostsFile(pod: Pod, ips: readonly string[], names: { hostname: string; domain: string }, host: string | undefined): string {
  let text: string;
  if (host !== undefined) text = `# Kubernetes-managed hosts file (host network).\n${host}`;
  else {
    text = [
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::0\tip6-localnet',
      'fe00::0\tip6-mcastprefix',
      'fe00::1\tip6-allnodes',
      'fe00::2\tip6-allrouters',
      ...ips.map((ip) => (names.domain ? `${ip}\t${names.hostname}.${names.domain}\t${names.hostname}` : `${ip}\t${names.hostname}`)),
      '',
    ].join('\n');
  }
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length === 0) return text;
  const lines = aliases.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`);
  return `${text}\n# Entries added by HostAliases.\n${lines.join('\n')}\n`;
}
