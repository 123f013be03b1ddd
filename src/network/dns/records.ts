/**
 * The cluster's names (Kubernetes DNS-Based Service Discovery, schema 1.1.0) from Services and EndpointSlices: what CoreDNS'
 * kubernetes plugin answers. Pure lookups over listers.
 */
import type { EndpointSlice, Service } from '../../api/index.ts';

export type RecordData =
  | { type: 'A' | 'AAAA'; address: string }
  | { type: 'CNAME' | 'PTR'; target: string }
  | { type: 'SRV'; target: string; port: number; priority: number; weight: number }
  | { type: 'TXT'; text: string };

export type DnsRecord = RecordData & { name: string };

export interface ClusterNames {
  service(namespace: string, name: string): Service | undefined;
  servicesByIP(ip: string): readonly Service[];
  slices(namespace: string, name: string): readonly EndpointSlice[];
  slicesByIP(ip: string): readonly EndpointSlice[];
  hasNamespace(name: string): boolean;
}

export interface LookupResult {
  /** Whether the name exists at all, in any type: decides between NXDOMAIN and an empty answer. */
  exists: boolean;
  answers: DnsRecord[];
  /** Addresses of the targets of SRV answers. */
  additional: DnsRecord[];
}

const nothing: LookupResult = { exists: false, answers: [], additional: [] };
const exists: LookupResult = { exists: true, answers: [], additional: [] };

interface Target {
  ip: string;
  /** The endpoint's first label: its hostname, or its address with dashes. */
  label: string;
  ports: { name: string; protocol: string; port: number }[];
}

const familyOf = (ip: string): 'A' | 'AAAA' => (ip.includes(':') ? 'AAAA' : 'A');
const dashed = (ip: string) => ip.replace(/[.:]/g, '-');

/** Clients share load by which address comes first, so answers come in a random order from the server, not from here. */
function targetsOf(service: Service, slices: readonly EndpointSlice[]): Target[] {
  const targets = new Map<string, Target>();
  for (const slice of slices) {
    for (const endpoint of slice.endpoints ?? []) {
      if (!(endpoint.conditions?.ready ?? true) && !service.spec.publishNotReadyAddresses) continue;
      for (const ip of endpoint.addresses) {
        const ports = (slice.ports ?? []).flatMap((p) =>
          p.port ? [{ name: p.name ?? '', protocol: (p.protocol ?? 'TCP').toLowerCase(), port: p.port }] : [],
        );
        const known = targets.get(ip);
        if (known) known.ports.push(...ports);
        else targets.set(ip, { ip, label: endpoint.hostname || dashed(ip), ports });
      }
    }
  }
  return [...targets.values()];
}

const isHeadless = (service: Service) => service.spec.clusterIP === 'None';
const clusterIPs = (service: Service) =>
  (service.spec.clusterIPs ?? [service.spec.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None');

const addresses = (name: string, ips: readonly string[], type: string): DnsRecord[] =>
  ips.filter((ip) => familyOf(ip) === type).map((ip) => ({ name, type: familyOf(ip), address: ip }));

/** Answers a question below the cluster domain. `name` is lower case without a trailing dot; `domain` e.g. `cluster.local`. */
export function lookup(names: ClusterNames, domain: string, name: string, type: string): LookupResult {
  if (name === domain) return exists;
  if (name === `dns-version.${domain}`)
    return { exists: true, answers: type === 'TXT' ? [{ name, type: 'TXT', text: '1.1.0' }] : [], additional: [] };
  const labels = name.slice(0, -domain.length - 1).split('.');
  const kind = labels.pop();
  if (kind === 'pod') return lookupPod(names, labels, name, type);
  if (kind !== 'svc') return nothing;
  if (labels.length === 0) return exists;
  const namespace = labels.pop() ?? '';
  if (labels.length === 0) return names.hasNamespace(namespace) ? exists : nothing;
  const service = names.service(namespace, labels.pop() ?? '');
  if (!service) return nothing;
  return lookupService(names, service, labels, name, type, domain);
}

function lookupService(
  names: ClusterNames,
  service: Service,
  labels: readonly string[],
  name: string,
  type: string,
  domain: string,
): LookupResult {
  const { namespace = '', name: serviceName } = service.metadata;
  const base = `${serviceName}.${namespace}.svc.${domain}`;
  if (service.spec.type === 'ExternalName') {
    if (labels.length > 0) return nothing;
    return { exists: true, answers: [{ name, type: 'CNAME', target: service.spec.externalName ?? '' }], additional: [] };
  }
  const targets = isHeadless(service) ? targetsOf(service, names.slices(namespace, serviceName)) : [];
  if (labels.length === 0) {
    const ips = isHeadless(service) ? targets.map((t) => t.ip) : clusterIPs(service);
    if (type === 'SRV') return srv(service, targets, base, name, undefined, undefined);
    return { exists: ips.length > 0 || !isHeadless(service), answers: addresses(name, ips, type), additional: [] };
  }
  if (labels.length === 1) {
    const found = targets.filter((t) => t.label === labels[0]);
    return found.length > 0
      ? {
          exists: true,
          answers: addresses(
            name,
            found.map((t) => t.ip),
            type,
          ),
          additional: [],
        }
      : nothing;
  }
  const [port = '', protocol = ''] = labels;
  if (labels.length > 2 || !port.startsWith('_') || !protocol.startsWith('_')) return nothing;
  const result = srv(service, targets, base, name, port.slice(1), protocol.slice(1));
  return type === 'SRV' ? result : { exists: result.exists, answers: [], additional: [] };
}

/** SRV records: of the service's ports for one with a cluster IP, of every endpoint for a headless one. */
function srv(
  service: Service,
  targets: readonly Target[],
  base: string,
  name: string,
  port: string | undefined,
  protocol: string | undefined,
): LookupResult {
  const wanted = (p: { name: string; protocol: string }) =>
    (port === undefined || p.name === port) && (protocol === undefined || p.protocol === protocol);
  const answers: DnsRecord[] = [];
  const additional: DnsRecord[] = [];
  if (isHeadless(service)) {
    for (const target of targets) {
      const host = `${target.label}.${base}`;
      for (const p of target.ports.filter(wanted))
        answers.push({ name, type: 'SRV', target: host, port: p.port, priority: 0, weight: 100 });
      if (target.ports.some(wanted)) additional.push({ name: host, type: familyOf(target.ip), address: target.ip });
    }
  } else {
    const ports = (service.spec.ports ?? []).map((p) => ({
      name: p.name ?? '',
      protocol: (p.protocol ?? 'TCP').toLowerCase(),
      port: p.port,
    }));
    for (const p of ports.filter(wanted)) answers.push({ name, type: 'SRV', target: base, port: p.port, priority: 0, weight: 100 });
    if (answers.length > 0)
      additional.push(...clusterIPs(service).map((ip): DnsRecord => ({ name: base, type: familyOf(ip), address: ip })));
  }
  const weight = Math.max(1, Math.floor(100 / Math.max(1, answers.length)));
  return { exists: answers.length > 0, answers: answers.map((a) => (a.type === 'SRV' ? { ...a, weight } : a)), additional };
}

/** `10-244-0-5.NAMESPACE.pod.DOMAIN`: any address below a namespace that exists (CoreDNS' `pods insecure`, kubeadm's default). */
function lookupPod(names: ClusterNames, labels: readonly string[], name: string, type: string): LookupResult {
  if (labels.length === 0) return exists;
  const namespace = labels.at(-1) ?? '';
  if (!names.hasNamespace(namespace)) return nothing;
  if (labels.length === 1) return exists;
  const [label = ''] = labels;
  if (labels.length > 2) return nothing;
  const ip = /^\d+-\d+-\d+-\d+$/.test(label) ? label.replaceAll('-', '.') : label.replaceAll('-', ':');
  if (familyOf(ip) === 'A' && ip.split('.').some((part) => Number(part) > 255)) return nothing;
  if (familyOf(ip) === 'AAAA' && !/^[0-9a-f:]+$/.test(ip)) return nothing;
  return { exists: true, answers: addresses(name, [ip], type), additional: [] };
}

/** The address in a reverse name: `5.0.244.10.in-addr.arpa` is `10.244.0.5`; undefined for other names. */
export function reverseAddress(name: string): string | undefined {
  const v4 = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name);
  return v4 ? [v4[4], v4[3], v4[2], v4[1]].join('.') : undefined;
}

/** PTR answers: services by cluster IP, endpoints of headless services by theirs. */
export function reverseLookup(names: ClusterNames, domain: string, name: string, ip: string): DnsRecord[] {
  const services = names.servicesByIP(ip).map((s) => `${s.metadata.name}.${s.metadata.namespace}.svc.${domain}`);
  if (services.length > 0) return services.map((target) => ({ name, type: 'PTR', target }));
  const found = new Set<string>();
  for (const slice of names.slicesByIP(ip)) {
    const serviceName = slice.metadata.labels?.['kubernetes.io/service-name'];
    const { namespace = '' } = slice.metadata;
    if (!serviceName || !names.service(namespace, serviceName)) continue;
    // Only endpoints with a name of their own have a reverse one.
    for (const endpoint of slice.endpoints ?? [])
      if (endpoint.addresses.includes(ip) && endpoint.hostname) found.add(`${endpoint.hostname}.${serviceName}.${namespace}.svc.${domain}`);
  }
  return [...found].map((target) => ({ name, type: 'PTR', target }));
}
