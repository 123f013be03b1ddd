/** What kinds of services need (upstream: pkg/api/service). */
import type { Service } from '../generated/core.v1.ts';

const isType = (service: Service, ...types: string[]) => types.includes(service.spec.type ?? '');

export const isHeadless = ({ spec }: Service) => spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';

/** Whether it has addresses of its own. */
export const needsClusterIp = (service: Service) => !isType(service, 'ExternalName');

/** Whether its ports are, or may be, ports of every node. */
export const needsNodePort = (service: Service) => isType(service, 'NodePort', 'LoadBalancer');

/** Whether ports without a node port get one. A load balancer that gives up on them keeps those that it has (KEP-1864). */
export const allocatesNodePorts = (service: Service) =>
  isType(service, 'NodePort') || (isType(service, 'LoadBalancer') && service.spec.allocateLoadBalancerNodePorts !== false);

/** Whether load balancers ask each node whether it has endpoints. */
export const needsHealthCheckNodePort = (service: Service) =>
  isType(service, 'LoadBalancer') && service.spec.externalTrafficPolicy === 'Local';

/** Whether it is reached from outside the cluster. */
export function isExternallyAccessible(service: Service): boolean {
  return isType(service, 'LoadBalancer', 'NodePort') || (isType(service, 'ClusterIP') && (service.spec.externalIPs?.length ?? 0) > 0);
}
