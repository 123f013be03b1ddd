/** Where requests for a Service go that the server makes itself: to one of its ready endpoints, as kube-aggregator's resolver. */
import { EndpointSlice, Service } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import { readObject, readObjects, type Storages } from '../storages.ts';

export interface ServiceAddress {
  host: string;
  port: number;
}

/** Throws an Error in upstream's words when the Service is not there, has no such port or no endpoint. */
export async function resolveService(
  storages: Storages,
  random: Random,
  service: { namespace: string; name: string; port: number },
): Promise<ServiceAddress> {
  const { namespace, name, port } = service;
  const found = await readObject(storages, Service, namespace, name);
  if (!found) throw new Error(`service ${JSON.stringify(name)} not found`);
  const { spec } = found;
  if (spec?.type === 'ExternalName') return { host: spec.externalName ?? '', port };
  const servicePort = spec?.ports?.find((p) => p.port === port);
  if (!servicePort) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const slices = (await readObjects(storages, EndpointSlice, namespace)).filter(
    (slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name,
  );
  const addresses = slices.flatMap((slice) => {
    const target = slice.ports?.find((p) => (p.name ?? '') === (servicePort.name ?? ''))?.port;
    if (target === undefined) return [];
    return (slice.endpoints ?? [])
      .filter((endpoint) => endpoint.conditions?.ready !== false)
      .flatMap((endpoint) => endpoint.addresses.slice(0, 1))
      .map((host) => ({ host, port: target }));
  });
  const chosen = addresses[Math.floor(random.next() * addresses.length)];
  if (!chosen) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  return chosen;
}
