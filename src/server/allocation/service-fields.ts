/** What of a stored Service is taken from the server's ranges. */
import { errors, FieldErrors, needsClusterIp, Service } from '../../api/index.ts';

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

/** Throws Invalid if a check finds anything. */
export function refuseService(service: Service, check: (problems: FieldErrors) => void): void {
  const problems = new FieldErrors();
  check(problems);
  if (!problems.ok) throw errors.invalid(Service, service.metadata.name ?? '', problems.list);
}
