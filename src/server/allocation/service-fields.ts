/** What of a stored Service is taken from the server's ranges. */
import { needsClusterIp, type Service } from '../../api/index.ts';

export function addressesOf(service: Service): string[] {
  const { spec } = service;
  if (spec === undefined || !needsClusterIp(service)) return [];
  const ips = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  return ips.filter((ip) => ip !== '' && ip !== 'None');
}

export function portsOf({ spec }: Service): number[] {
  const ports = (spec?.ports ?? []).map((p) => p.nodePort ?? 0);
  return [...ports, spec?.healthCheckNodePort ?? 0].filter((p) => p !== 0);
}
