/** Where a Service is reached from the API server, in the words of k8s.io/apiserver's service resolvers. */
import { EndpointSlice, errors, Service } from '../api/index.ts';
import type { Random } from '../time/index.ts';
import { readObject, type Storages } from './storages.ts';

export interface ServiceReference {
  namespace: string;
  name: string;
  port: number;
}

export interface Address {
  host: string;
  port: number;
}

/** Rejects where the Service is not there, or has no such port or no endpoint. */
export type ServiceResolver = (reference: ServiceReference) => Promise<Address>;

export interface ServiceResolverOptions {
  storages: Storages;
  random: Random;
  /** --enable-aggregator-routing: to a ready endpoint itself, where the API server is on no node whose proxy knows cluster IPs. */
  toEndpoints: boolean;
}

export function serviceResolver({ storages, random, toEndpoints }: ServiceResolverOptions): ServiceResolver {
  const endpointOf = async (service: Service, portName: string): Promise<Address> => {
    const { name, namespace } = service.metadata;
    const slices = await storages(EndpointSlice).list({
      namespace: namespace ?? '',
      resourceVersion: '0',
      matches: (slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name,
    });
    const found = slices.items.flatMap(({ object: { ports, endpoints } }) =>
      (ports ?? [])
        .filter((p) => (p.name ?? '') === portName && p.port !== undefined)
        .flatMap(({ port = 0 }) =>
          (endpoints ?? []).filter((e) => e.conditions?.ready !== false).flatMap((e) => e.addresses.map((host) => ({ host, port }))),
        ),
    );
    const chosen = found[Math.floor(random.next() * found.length)];
    if (chosen === undefined) throw errors.serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
    return chosen;
  };
  return async ({ namespace, name, port }) => {
    const service = await readObject(storages, Service, namespace, name);
    if (service === undefined) throw errors.notFound(Service, name);
    const { type, clusterIP = '', externalName = '', ports } = service.spec ?? {};
    if (type === 'ExternalName') return { host: externalName, port };
    if (!toEndpoints && clusterIP === 'None') throw new Error('cannot route to service with ClusterIP "None"');
    const servicePort = ports?.find((p) => p.port === port);
    if (servicePort === undefined) throw errors.serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    return toEndpoints ? endpointOf(service, servicePort.name ?? '') : { host: clusterIP, port };
  };
}
