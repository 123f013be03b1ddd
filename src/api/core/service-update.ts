/**
 * What an update of a service means where it says too little: values that were allocated stay, values that no longer belong to
 * its type go (upstream: pkg/registry/core/service/strategy.go).
 */
import { semanticEqual } from '../equality.ts';
import type { Service } from '../generated/core.v1.ts';
import { allocatesNodePorts, isExternallyAccessible, needsClusterIp, needsHealthCheckNodePort, needsNodePort } from './service-traits.ts';

const nodePortsOf = ({ spec }: Service) => (spec.ports ?? []).flatMap((port) => (port.nodePort ? [port.nodePort] : []));

/** A port is known by its name: what else it says may have changed. */
function keepNodePorts(next: Service, prev: Service): void {
  const before = new Map((prev.spec.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]));
  const said = new Set(nodePortsOf(next));
  for (const port of next.spec.ports ?? []) {
    const known = before.get(port.name ?? '');
    if (!port.nodePort && known && !said.has(known)) port.nodePort = known;
  }
}

/** Carries over what was allocated and is not said again. */
export function keepAllocated(next: Service, prev: Service): void {
  const { spec } = next;
  if (needsClusterIp(next) && needsClusterIp(prev)) {
    const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = prev.spec;
    if (!spec.clusterIP && clusterIP) spec.clusterIP = clusterIP;
    if (!spec.clusterIPs?.length && clusterIPs?.length) spec.clusterIPs = clusterIPs;
    if (!spec.ipFamilies?.length && ipFamilies?.length && semanticEqual(spec.clusterIPs, clusterIPs)) spec.ipFamilies = ipFamilies;
    if (spec.ipFamilyPolicy === undefined && ipFamilyPolicy) spec.ipFamilyPolicy = ipFamilyPolicy;
  }
  if (allocatesNodePorts(next) && allocatesNodePorts(prev)) keepNodePorts(next, prev);
  if (needsHealthCheckNodePort(next) && needsHealthCheckNodePort(prev) && !spec.healthCheckNodePort && prev.spec.healthCheckNodePort)
    spec.healthCheckNodePort = prev.spec.healthCheckNodePort;
}

/** Keeps clusterIP and clusterIPs in step for clients that know only one of them. */
export function normalizeClusterIps(next: Service, prev?: Service): void {
  const { spec } = next;
  if (!prev) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  const before = prev.spec.clusterIPs;
  if ((spec.clusterIP ?? '') === (prev.spec.clusterIP ?? '')) {
    if (!spec.clusterIPs?.length && before?.length) spec.clusterIPs = before;
    return;
  }
  if (!semanticEqual(spec.clusterIPs, before)) return;
  if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
  else delete spec.clusterIPs;
}

/** Drops what belonged to the old type, unless the client said it anew. */
export function dropForeign(next: Service, prev: Service): void {
  const { spec } = next;
  const lost = (needs: (service: Service) => boolean) => needs(prev) && !needs(next);
  const isSame = (field: keyof Service['spec']) => semanticEqual(spec[field], prev.spec[field]);
  if (lost(needsClusterIp)) {
    if (isSame('clusterIP') && isSame('clusterIPs')) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (isSame('ipFamilies')) delete spec.ipFamilies;
    if (isSame('ipFamilyPolicy')) delete spec.ipFamilyPolicy;
  }
  if (lost(needsNodePort) && semanticEqual(nodePortsOf(next), nodePortsOf(prev))) for (const port of spec.ports ?? []) delete port.nodePort;
  if (lost(needsHealthCheckNodePort) && isSame('healthCheckNodePort')) delete spec.healthCheckNodePort;
  const wasBalanced = prev.spec.type === 'LoadBalancer' && spec.type !== 'LoadBalancer';
  if (wasBalanced && isSame('allocateLoadBalancerNodePorts')) delete spec.allocateLoadBalancerNodePorts;
  if (wasBalanced && isSame('loadBalancerClass')) delete spec.loadBalancerClass;
  if (lost(isExternallyAccessible) && isSame('externalTrafficPolicy')) delete spec.externalTrafficPolicy;
}
