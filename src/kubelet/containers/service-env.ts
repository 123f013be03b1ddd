/** The variables that tell containers of the services in their namespace (Docker links' names and Kubernetes' own). */
import type { Service } from '../../api/index.ts';

const variable = (name: string) => name.toUpperCase().replaceAll('-', '_');

const hasClusterIP = ({ spec }: Service) =>
  spec.clusterIP !== undefined && spec.clusterIP !== '' && spec.clusterIP !== 'None' && spec.type !== 'ExternalName';

const joinHostPort = (host: string, port: number) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

/** Which services a pod of `namespace` is told of: the namespace's where links are enabled, and always default/kubernetes. */
export function servicesFor(namespace: string, enableLinks: boolean, services: Iterable<Service>): Service[] {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    if (!hasClusterIP(service)) continue;
    const name = service.metadata.name ?? '';
    if (service.metadata.namespace === 'default' && name === 'kubernetes') {
      if (!chosen.has(name)) chosen.set(name, service);
    } else if (enableLinks && service.metadata.namespace === namespace) chosen.set(name, service);
  }
  return [...chosen.values()];
}

export function serviceEnvironment(services: readonly Service[]): [string, string][] {
  const out: [string, string][] = [];
  for (const { metadata, spec } of services) {
    const prefix = variable(metadata.name ?? '');
    const ip = spec.clusterIP ?? '';
    const ports = spec.ports ?? [];
    const [first] = ports;
    if (!first) continue;
    out.push([`${prefix}_SERVICE_HOST`, ip], [`${prefix}_SERVICE_PORT`, String(first.port)]);
    for (const port of ports) if (port.name) out.push([`${prefix}_SERVICE_PORT_${variable(port.name)}`, String(port.port)]);
    const url = (port: typeof first) => `${(port.protocol ?? 'TCP').toLowerCase()}://${joinHostPort(ip, port.port)}`;
    out.push([`${prefix}_PORT`, url(first)]);
    for (const port of ports) {
      const protocol = port.protocol ?? 'TCP';
      const base = `${prefix}_PORT_${port.port}_${protocol}`;
      out.push([base, url(port)], [`${base}_PROTO`, protocol.toLowerCase()], [`${base}_PORT`, String(port.port)], [`${base}_ADDR`, ip]);
    }
  }
  return out;
}
