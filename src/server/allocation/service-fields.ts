/** Which of a Service's fields are given out by the server, and what an update keeps of them (upstream's service REST). */
import type { Service, ServiceSpec } from '../../api/index.ts';

export const needsClusterIp = (spec: ServiceSpec | undefined) => spec !== undefined && spec.type !== 'ExternalName';
export const isHeadless = (spec: ServiceSpec) => spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None';
export const needsNodePorts = (spec: ServiceSpec | undefined) =>
  spec?.type === 'NodePort' || (spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
export const needsHealthCheckPort = (spec: ServiceSpec | undefined) =>
  spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Addresses that a stored Service holds. */
export function addressesOf(service: Service): string[] {
  const { spec } = service;
  if (spec === undefined || !needsClusterIp(spec)) return [];
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  return ips.filter((ip) => ip !== '' && ip !== 'None');
}

export function portsOf(service: Service): number[] {
  const ports = (service.spec?.ports ?? []).map((p) => p.nodePort ?? 0);
  return [...ports, service.spec?.healthCheckNodePort ?? 0].filter((p) => p !== 0);
}

/** clusterIP and clusterIPs say the same; a client that knows one of them only changes that one. */
export function normalizeClusterIps(next: ServiceSpec, prev: ServiceSpec | undefined): void {
  if (prev === undefined) {
    if (next.clusterIP && !next.clusterIPs?.length) next.clusterIPs = [next.clusterIP];
    return;
  }
  const changedSingle = (next.clusterIP ?? '') !== (prev.clusterIP ?? '');
  const changedList = JSON.stringify(next.clusterIPs ?? []) !== JSON.stringify(prev.clusterIPs ?? []);
  if (changedSingle && !changedList) {
    if (!next.clusterIP) delete next.clusterIPs;
    else next.clusterIPs = [next.clusterIP, ...(next.clusterIPs ?? []).slice(1)];
  } else if (changedList && !changedSingle && !next.clusterIPs?.length) delete next.clusterIP;
}

/** What the update does not mention stays as it was given out. */
export function keepAllocated(next: ServiceSpec, prev: ServiceSpec): void {
  if (needsClusterIp(prev) && needsClusterIp(next)) {
    if (!next.clusterIP && !next.clusterIPs?.length) {
      if (prev.clusterIP !== undefined) next.clusterIP = prev.clusterIP;
      if (prev.clusterIPs !== undefined) next.clusterIPs = [...prev.clusterIPs];
    }
    next.ipFamilies ??= prev.ipFamilies === undefined ? undefined : [...prev.ipFamilies];
    next.ipFamilyPolicy ??= prev.ipFamilyPolicy;
  }
  if (needsNodePorts(prev) && needsNodePorts(next)) {
    const used = new Set((next.ports ?? []).map((p) => p.nodePort).filter(Boolean));
    for (const port of next.ports ?? []) {
      if (port.nodePort) continue;
      const before = prev.ports?.find((p) => p.port === port.port && p.protocol === port.protocol);
      if (before?.nodePort && !used.has(before.nodePort)) port.nodePort = before.nodePort;
    }
  }
  if (needsHealthCheckPort(prev) && needsHealthCheckPort(next) && !next.healthCheckNodePort && prev.healthCheckNodePort)
    next.healthCheckNodePort = prev.healthCheckNodePort;
}

/** A change of type drops what the old type was given, where the client did not change it. */
export function dropUnneeded(next: ServiceSpec, prev: ServiceSpec): void {
  if (needsClusterIp(prev) && !needsClusterIp(next) && next.clusterIP === prev.clusterIP) {
    delete next.clusterIP;
    delete next.clusterIPs;
    delete next.ipFamilies;
    delete next.ipFamilyPolicy;
  }
  if (needsNodePorts(prev) && !needsNodePorts(next) && samePorts(next, prev)) for (const port of next.ports ?? []) delete port.nodePort;
  if (needsHealthCheckPort(prev) && !needsHealthCheckPort(next) && next.healthCheckNodePort === prev.healthCheckNodePort)
    delete next.healthCheckNodePort;
  if (prev.type === 'LoadBalancer' && next.type !== 'LoadBalancer') {
    if (next.allocateLoadBalancerNodePorts === prev.allocateLoadBalancerNodePorts) delete next.allocateLoadBalancerNodePorts;
    if (next.loadBalancerClass === prev.loadBalancerClass) delete next.loadBalancerClass;
  }
  const external = (spec: ServiceSpec) => spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  if (external(prev) && !external(next) && next.externalTrafficPolicy === prev.externalTrafficPolicy) delete next.externalTrafficPolicy;
}

const samePorts = (next: ServiceSpec, prev: ServiceSpec) => {
  const ports = (spec: ServiceSpec) => new Set((spec.ports ?? []).map((p) => p.nodePort ?? 0));
  return [...ports(next)].every((p) => ports(prev).has(p));
};
