import {
  type Draft,
  EndpointSlice,
  Endpoints,
  hasReason,
  type KubeObject,
  type Resource,
  Service,
  semanticEqual,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type KeepOptions, keepAsMade } from './keep-as-made.ts';

export interface KubernetesServiceOptions {
  /** The service range's first address. */
  clusterIp: string;
  /** --advertise-address: where this API server is reached. */
  address: string;
  /** --secure-port. */
  port: number;
  /** --kubernetes-service-node-port; 0: a ClusterIP service. */
  nodePort?: number;
  /** Addresses of all control planes where there are several; default: this one's alone. Empty: nobody's are written. */
  addresses?: readonly string[];
  signal?: AbortSignal;
}

const name = 'kubernetes';
const namespace = 'default';
const labels = { component: 'apiserver', provider: 'kubernetes' };

const addressesOf = ({ address, addresses = [address] }: KubernetesServiceOptions) => [...new Set(addresses)].sort();

/** Service default/kubernetes with its Endpoints and EndpointSlice: how pods reach the API. */
export async function ensureKubernetesService(client: Client, options: KubernetesServiceOptions): Promise<void> {
  const addresses = addressesOf(options);
  const family = addresses[0]?.includes(':') ? 'IPv6' : 'IPv4';
  const { signal, port } = options;
  const service: Draft<Service> = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    spec: {
      clusterIP: options.clusterIp,
      clusterIPs: [options.clusterIp],
      ipFamilies: [options.clusterIp.includes(':') ? 'IPv6' : 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
      type: options.nodePort ? 'NodePort' : 'ClusterIP',
      sessionAffinity: 'None',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port, ...(options.nodePort ? { nodePort: options.nodePort } : {}) }],
    },
  };
  // The mirroring controller must leave these endpoints alone: their slice is made here.
  const skipMirror = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  const endpoints: Draft<Endpoints> = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, labels: skipMirror },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
  const slice: Draft<EndpointSlice> = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: family,
    endpoints: addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
  const asTold = (known: Service) => ({ ...known, spec: { ...known.spec, type: service.spec?.type, ports: service.spec?.ports } });
  const ensured = [ensure(client, Service, service, asTold, signal)];
  if (addresses.length > 0)
    ensured.push(
      ensure(client, Endpoints, endpoints, (known) => ({ ...known, subsets: endpoints.subsets }), signal),
      ensure(client, EndpointSlice, slice, (known) => ({ ...known, endpoints: slice.endpoints, ports: slice.ports }), signal),
    );
  await Promise.all(ensured);
}

/** Makes them, and again when somebody changes or removes them. */
export async function keepKubernetesService(
  client: Client,
  options: KubernetesServiceOptions,
  keep: Omit<KeepOptions, 'objects' | 'work'>,
): Promise<void> {
  await ensureKubernetesService(client, options);
  const made = addressesOf(options).length > 0 ? [Service, Endpoints, EndpointSlice] : [Service];
  const resources = made as Resource[] as Resource<KubeObject>[]; // all of them are of objects
  await keepAsMade({
    ...keep,
    objects: resources.map((resource) => ({ resource, namespace, name })),
    work: () => ensureKubernetesService(client, { ...options, signal: keep.signal }),
  });
}

async function ensure<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  wanted: Draft<T>,
  change: (known: T) => T,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    try {
      const known = await client.get(resource, name, { namespace, signal });
      const next = change(known);
      if (!semanticEqual(known, next)) await client.update(resource, next, { namespace, signal });
      return;
    } catch (error) {
      if (hasReason(error, 'Conflict')) continue;
      if (!hasReason(error, 'NotFound')) throw error;
    }
    try {
      await client.create(resource, wanted, { namespace, signal });
      return;
    } catch (error) {
      // Another control plane made it just now: look again.
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
  }
}
