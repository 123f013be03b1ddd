/** What a proxy needs to know, out of Services and EndpointSlices: one entry a service port, with its endpoints. Pure. */
import type { EndpointSlice, Service } from '../../api/index.ts';

export interface ProxyEndpoint {
  ip: string;
  port: number;
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  isLocal: boolean;
  /** Others are nearer: traffic from here goes there (EndpointSlices' hints). */
  isElsewhere: boolean;
}

/** Where the proxy is. */
export interface ProxyPlace {
  nodeName: string;
  /** The node's `topology.kubernetes.io/zone`. */
  zone?: string | undefined;
}

export interface ServicePort {
  /** `namespace/name:port`, or `namespace/name` where the port has no name: how rules' comments name it. */
  name: string;
  protocol: 'tcp' | 'udp' | 'sctp';
  clusterIP: string;
  port: number;
  /** 0 where there is none. */
  nodePort: number;
  externalIPs: readonly string[];
  loadBalancerIPs: readonly string[];
  loadBalancerSourceRanges: readonly string[];
  /** Seconds a client sticks to its endpoint; 0 without session affinity. */
  affinitySeconds: number;
  internalPolicyLocal: boolean;
  externalPolicyLocal: boolean;
  /** Where kubelet-like health checks ask for local endpoints; 0 where there is none. */
  healthCheckNodePort: number;
  endpoints: readonly ProxyEndpoint[];
}

const isIPv4 = (address: string) => !address.includes(':');

/** Headless and ExternalName services, and those labelled for another proxy, are none of ours. */
function isProxied(service: Service): boolean {
  const { clusterIP, type } = service.spec;
  return (
    type !== 'ExternalName' &&
    clusterIP !== undefined &&
    clusterIP !== '' &&
    clusterIP !== 'None' &&
    !['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'].some(
      (label) => label in (service.metadata.labels ?? {}),
    )
  );
}

type Hints = NonNullable<NonNullable<EndpointSlice['endpoints']>[number]['hints']>;

/**
 * Tells the endpoints that are not for this place, where all ready ones have hints and some of them are: for the node before for its
 * zone (upstream's topologyModeFromHints).
 */
function markElsewhere(endpoints: ReadonlyMap<ProxyEndpoint, Hints | undefined>, { nodeName, zone }: ProxyPlace): void {
  const ready = [...endpoints].filter(([e]) => e.ready);
  const prefer = (isFor: (hints: Hints | undefined) => boolean, isHinted: (hints: Hints | undefined) => boolean): boolean => {
    if (!ready.every(([, hints]) => isHinted(hints)) || !ready.some(([, hints]) => isFor(hints))) return false;
    for (const [endpoint, hints] of endpoints) endpoint.isElsewhere = !isFor(hints);
    return true;
  };
  const byNode = prefer(
    (hints) => hints?.forNodes?.some(({ name }) => name === nodeName) ?? false,
    (hints) => (hints?.forNodes?.length ?? 0) > 0,
  );
  if (byNode || !zone) return;
  prefer(
    (hints) => hints?.forZones?.some(({ name }) => name === zone) ?? false,
    (hints) => (hints?.forZones?.length ?? 0) > 0,
  );
}

function endpointsOf(slices: readonly EndpointSlice[], portName: string, place: ProxyPlace): ProxyEndpoint[] {
  const found = new Map<string, ProxyEndpoint>();
  const hints = new Map<ProxyEndpoint, Hints | undefined>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const port = (slice.ports ?? []).find((p) => (p.name ?? '') === portName)?.port;
    if (!port) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const { ready, serving, terminating } = endpoint.conditions ?? {};
      const ip = endpoint.addresses[0];
      if (!ip) continue;
      const isReady = ready ?? true;
      const made: ProxyEndpoint = {
        ip,
        port,
        ready: isReady,
        serving: serving ?? isReady,
        terminating: terminating ?? false,
        isLocal: endpoint.nodeName === place.nodeName,
        isElsewhere: false,
      };
      const before = found.get(`${ip}:${port}`);
      if (before) hints.delete(before);
      found.set(`${ip}:${port}`, made);
      hints.set(made, endpoint.hints);
    }
  }
  markElsewhere(hints, place);
  return [...found.values()].sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
}

/** The endpoints that get traffic: the ready ones, else those that still serve while they terminate (KEP-1669). */
export function usableEndpoints(endpoints: readonly ProxyEndpoint[]): readonly ProxyEndpoint[] {
  const ready = endpoints.filter((e) => e.ready);
  return ready.length > 0 ? ready : endpoints.filter((e) => e.serving && e.terminating);
}

/** Those of them that are the nearest: what may serve from anywhere in the cluster. */
export function nearestEndpoints(endpoints: readonly ProxyEndpoint[]): readonly ProxyEndpoint[] {
  const near = endpoints.filter((e) => e.ready && !e.isElsewhere);
  return near.length > 0 ? near : usableEndpoints(endpoints);
}

/** The service ports of one service. */
export function servicePorts(service: Service, slices: readonly EndpointSlice[], place: ProxyPlace): ServicePort[] {
  if (!isProxied(service)) return [];
  const { spec, status, metadata } = service;
  const affinitySeconds = spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0;
  const clusterIP = [spec.clusterIP ?? '', ...(spec.clusterIPs ?? [])].find(isIPv4);
  if (!clusterIP) return [];
  return (spec.ports ?? []).map((port) => ({
    name: `${metadata.namespace}/${metadata.name}${port.name ? `:${port.name}` : ''}`,
    // The API allows exactly these protocols; the default is TCP.
    protocol: (port.protocol ?? 'TCP').toLowerCase() as ServicePort['protocol'],
    clusterIP,
    port: port.port,
    nodePort: port.nodePort ?? 0,
    externalIPs: (spec.externalIPs ?? []).filter(isIPv4),
    loadBalancerIPs: (status?.loadBalancer?.ingress ?? []).flatMap((i) => (i.ip && isIPv4(i.ip) && i.ipMode !== 'Proxy' ? [i.ip] : [])),
    loadBalancerSourceRanges: (spec.loadBalancerSourceRanges ?? []).filter(isIPv4),
    affinitySeconds,
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
    externalPolicyLocal: spec.externalTrafficPolicy === 'Local',
    healthCheckNodePort: spec.healthCheckNodePort ?? 0,
    endpoints: endpointsOf(slices, port.name ?? '', place),
  }));
}
