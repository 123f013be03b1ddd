/** Which pods stand behind a service, and how they appear in its slices and Endpoints. Pure. */
import {
  type Endpoint,
  formatIp,
  isPodReady,
  isPodTerminal,
  type Node,
  type Pod,
  parseIp,
  type Selector,
  type Service,
  selectorFromLabels,
} from '../../api/index.ts';

/** A port of endpoints, as both EndpointSlices and Endpoints write it. */
export interface ResolvedPort {
  name?: string;
  port?: number;
  protocol?: 'TCP' | 'UDP' | 'SCTP';
  appProtocol?: string;
}

export type Family = 'IPv4' | 'IPv6';

const compiled = new WeakMap<Service, Selector>();

/** The service's selector; undefined where somebody else says what its endpoints are. */
export function serviceSelector(service: Service): Selector | undefined {
  if (!service.spec.selector || service.spec.type === 'ExternalName') return undefined;
  let selector = compiled.get(service);
  if (!selector) {
    selector = selectorFromLabels(service.spec.selector);
    compiled.set(service, selector);
  }
  return selector;
}

/** Whether the pod can have an endpoint: it has an address and has not finished. */
export function belongsInEndpoints(pod: Pod, includeTerminating: boolean): boolean {
  if (isPodTerminal(pod) || podAddresses(pod).length === 0) return false;
  return includeTerminating || pod.metadata.deletionTimestamp === undefined;
}

export function podAddresses({ status }: Pod): string[] {
  return status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);
}

export const familyOf = (ip: string): Family => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** The families that a service's endpoints are wanted in. */
export function serviceFamilies(service: Service): Family[] {
  const { ipFamilies, clusterIP } = service.spec;
  if (ipFamilies?.length) return ipFamilies.filter((f): f is Family => f === 'IPv4' || f === 'IPv6');
  if (clusterIP && clusterIP !== 'None') return [familyOf(clusterIP)];
  // A headless service from before there were families: whatever its pods have.
  return ['IPv4', 'IPv6'];
}

/** The service's ports as this pod has them; a named target port that the pod does not have is left out. */
export function resolvePorts(service: Service, pod: Pod): ResolvedPort[] {
  const resolved: ResolvedPort[] = [];
  for (const { name, port, targetPort, protocol = 'TCP', appProtocol } of service.spec.ports ?? []) {
    const number = targetPort === undefined || targetPort === '' || targetPort === 0 ? port : containerPort(pod, targetPort, protocol);
    if (number === undefined) continue;
    // appProtocol is free text; protocol one of the API's three.
    resolved.push({
      name: name ?? '',
      port: number,
      protocol: protocol as 'TCP' | 'UDP' | 'SCTP',
      ...(appProtocol === undefined ? {} : { appProtocol }),
    });
  }
  return resolved;
}

function containerPort({ spec }: Pod, target: number | string, protocol: string): number | undefined {
  if (typeof target === 'number') return target;
  const sidecars = (spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  for (const container of [...spec.containers, ...sidecars])
    for (const port of container.ports ?? []) if (port.name === target && (port.protocol ?? 'TCP') === protocol) return port.containerPort;
  return undefined;
}

/** The pod's endpoint in a slice of one family; undefined where it has no such address. */
export function podEndpoint(service: Service, pod: Pod, node: Node | undefined, family: Family): Endpoint | undefined {
  const addresses = podAddresses(pod).filter((ip) => familyOf(ip) === family);
  if (addresses.length === 0) return undefined;
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  const serving = isPodReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone'];
  const hints = ready ? hintsFor(service, zone, pod.spec.nodeName) : undefined;
  return {
    addresses: addresses.map(canonical),
    conditions: { ready, serving, terminating },
    ...hostnameOf(service, pod),
    targetRef: { kind: 'Pod', ...(namespace ? { namespace } : {}), name, uid },
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
  };
}

function canonical(ip: string): string {
  const parsed = parseIp(ip);
  return parsed ? formatIp(parsed) : ip;
}

/** A pod has a name below a service's that is its subdomain. */
export function hostnameOf(service: Service, pod: Pod): { hostname?: string } {
  const { hostname, subdomain } = pod.spec;
  return hostname && subdomain === service.metadata.name ? { hostname } : {};
}

/** Traffic distribution (KEP-4444): to which zones and nodes an endpoint is recommended. */
function hintsFor(service: Service, zone: string | undefined, nodeName: string | undefined): Endpoint['hints'] {
  const distribution = service.spec.trafficDistribution;
  if (distribution !== 'PreferClose' && distribution !== 'PreferSameZone' && distribution !== 'PreferSameNode') return undefined;
  const zones = zone ? { forZones: [{ name: zone }] } : {};
  const nodes = distribution === 'PreferSameNode' && nodeName ? { forNodes: [{ name: nodeName }] } : {};
  return zone || (distribution === 'PreferSameNode' && nodeName) ? { ...zones, ...nodes } : undefined;
}
