/**
 * Cluster DNS as an addon: the kube-dns Service at the tenth address of the service range, what the server may read, and a DNS
 * server in each node's agent that puts itself behind the Service with an EndpointSlice of its own.
 */
import { createSocket } from 'node:dgram';
import { decode, encode } from 'dns-packet';
import type { Logger } from 'pino';
import {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  type Draft,
  EndpointSlice,
  hasReason,
  type KubeObject,
  type Resource,
  Role,
  RoleBinding,
  Service,
} from '../api/index.ts';
import { type Client, createInformerFactory } from '../client/index.ts';
import { createForwarder, nameserversOf, startDnsServer } from '../network/index.ts';
import { systemClock, systemRandom } from '../time/index.ts';
import { type ClusterConfig, clusterDnsAddress } from './config.ts';

const namespace = 'kube-system';
const name = 'kube-dns';
const rbac = 'rbac.authorization.k8s.io';
const user = { kind: 'User', apiGroup: rbac, name: 'system:coredns' };

const corefile = (domain: string) => `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes ${domain} in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
`;

/** The addon's objects, with the control plane's client. Repeatable. */
export async function ensureDnsAddon(client: Client, config: ClusterConfig): Promise<void> {
  const ip = clusterDnsAddress(config);
  await Promise.all([
    ensure(client, Service, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name,
        namespace,
        labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
        annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
      },
      spec: {
        clusterIP: ip,
        clusterIPs: [ip],
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
          { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        ],
      },
    }),
    ensure(client, ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'coredns', namespace },
      data: { Corefile: corefile(config.clusterDomain) },
    }),
    ensure(client, ClusterRole, {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'system:coredns' },
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    }),
    ensure(client, ClusterRoleBinding, {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'system:coredns' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:coredns' },
      subjects: [user],
    }),
    ensure(client, Role, {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata: { name: 'k8ts:coredns-endpoints', namespace },
      rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'create', 'update', 'delete'] }],
    }),
    ensure(client, RoleBinding, {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'k8ts:coredns-endpoints', namespace },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'k8ts:coredns-endpoints' },
      subjects: [user],
    }),
  ]);
}

/** Creates what is not there; what is there may have been changed by the user and is left alone. */
async function ensure<T extends KubeObject>(client: Client, resource: Resource<T>, object: Draft<T>): Promise<void> {
  const { name = '', namespace } = object.metadata;
  try {
    await client.create(resource, object, { namespace });
  } catch (error) {
    if (hasReason(error, 'AlreadyExists')) return;
    // A Service's address is allocated before its name is found taken, and its own address is taken as well.
    if (hasReason(error, 'Invalid') && (await exists(client, resource, name, namespace))) return;
    throw error;
  }
}

async function exists<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  name: string,
  namespace: string | undefined,
): Promise<boolean> {
  try {
    await client.get(resource, name, { namespace });
    return true;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return false;
    throw error;
  }
}

interface DnsOptions {
  client: Client;
  config: ClusterConfig;
  nodeName: string;
  /** The node's, where the server listens. */
  address: string;
  logger: Logger;
}

/** Serves the cluster's names on this node until the signal is aborted. */
export async function runClusterDns({ client, config, nodeName, address, logger }: DnsOptions, signal: AbortSignal): Promise<void> {
  const informers = createInformerFactory({ client, clock: systemClock, random: systemRandom, logger });
  const forwarder = createForwarder({ servers: await nameserversOf('/etc/resolv.conf'), clock: systemClock });
  const server = await startDnsServer({
    informers,
    forwarder,
    clock: systemClock,
    random: systemRandom,
    logger,
    domain: config.clusterDomain,
    address,
    port: 0,
  });
  const running = informers.run(signal);
  try {
    await informers.whenSynced(signal);
    await publish(client, nodeName, address, server.port);
    await running;
  } finally {
    await server.close();
  }
}

async function publish(client: Client, nodeName: string, address: string, port: number): Promise<void> {
  const slice: Draft<EndpointSlice> = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${nodeName}`,
      namespace,
      labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'dns.k8ts.dev' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], nodeName, conditions: { ready: true } }],
    ports: [
      { name: 'dns', port, protocol: 'UDP' },
      { name: 'dns-tcp', port, protocol: 'TCP' },
    ],
  };
  try {
    await client.create(EndpointSlice, slice, { namespace });
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
    const present = await client.get(EndpointSlice, `${name}-${nodeName}`, { namespace });
    await client.update(EndpointSlice, { ...present, endpoints: slice.endpoints, ports: slice.ports }, { namespace });
  }
}

/** Resolves when the service address answers a question, which takes the rules of the proxy as well. */
export async function whenDnsAnswers(config: ClusterConfig, signal: AbortSignal): Promise<void> {
  const query = encode({
    type: 'query',
    id: 1,
    flags: 0,
    questions: [{ type: 'A', name: `kubernetes.default.svc.${config.clusterDomain}` }],
  });
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.5, 1000)) {
    signal.throwIfAborted();
    const begin = systemClock.monotonic();
    const answer = await ask(clusterDnsAddress(config), query, waitMs);
    if (answer && (decode(answer).answers?.length ?? 0) > 0) return;
    // A refusal (no rules yet, or no server behind them) comes at once, silence only after the whole wait.
    await systemClock.sleep(Math.max(0, waitMs - (systemClock.monotonic() - begin)), signal);
  }
}

function ask(server: string, query: Buffer, timeoutMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const finish = (answer: Buffer | undefined) => {
      timer.cancel();
      socket.close();
      resolve(answer);
    };
    const timer = systemClock.setTimer(timeoutMs, () => finish(undefined));
    socket.once('error', () => finish(undefined));
    socket.once('message', finish);
    socket.connect(53, server, () => socket.send(query));
  });
}
