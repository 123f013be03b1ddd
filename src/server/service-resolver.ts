/** Where a Service is reached from the API server, in the words of k8s.io/apiserver's service resolvers. */
import { errors, Service } from '../api/index.ts';
import type { Random } from '../time/index.ts';
import { readObject, type Storages } from './storages.ts';
import { resolveService, type ServiceAddress } from './webhook/service-address.ts';

export interface ServiceReference {
  namespace: string;
  name: string;
  port: number;
}

/** Rejects where the Service is not there, or has no such port or no endpoint. */
export type ServiceResolver = (reference: ServiceReference) => Promise<ServiceAddress>;

export interface ServiceResolverOptions {
  storages: Storages;
  random: Random;
  /** --enable-aggregator-routing: to a ready endpoint itself, where the API server is on no node whose proxy knows cluster IPs. */
  toEndpoints: boolean;
}

export function serviceResolver({ storages, random, toEndpoints }: ServiceResolverOptions): ServiceResolver {
  if (toEndpoints) return (reference) => resolveService(storages, random, reference);
  return async ({ namespace, name, port }) => {
    const service = await readObject(storages, Service, namespace, name);
    if (service === undefined) throw errors.notFound(Service, name);
    const { type, clusterIP = '', externalName = '', ports } = service.spec ?? {};
    if (type === 'ExternalName') return { host: externalName, port };
    if (clusterIP === 'None') throw new Error('cannot route to service with ClusterIP "None"');
    if (!ports?.some((p) => p.port === port))
      throw errors.serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    return { host: clusterIP, port };
  };
}
