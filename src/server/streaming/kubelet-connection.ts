/** Where a node's kubelet is, and how the API server talks to it. */
import { type LookupAddress, type LookupOptions, lookup as resolve } from 'node:dns';
import { Agent, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { errors, Node, StatusError } from '../../api/index.ts';
import { dialErrorMessage, limitDialing, requestUpgrade, type UpgradeResult, type UpgradeTls } from '../../client/index.ts';
import { readObject, type Storages } from '../storages.ts';

/** With InternalIP first: certificates carry it, and no name server need know it. */
const defaultAddressTypes: readonly string[] = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS', 'ExternalIP'];
const defaultPort = 10250;

/** What the API server shows to kubelets, and whom it takes for one. */
export interface KubeletTls {
  /** Signs kubelets' serving certificates, PEM (--kubelet-certificate-authority). Without it they are not verified, as upstream. */
  ca?: string;
  /** --kubelet-client-certificate and --kubelet-client-key, PEM. */
  cert: string;
  key: string;
  /**
   * Where nodes are whose addresses lead nowhere (simulated ones), by host name: as /etc/hosts would say it. Such a node is called by
   * its name.
   */
  addressOf?(hostname: string): string | undefined;
  /** --kubelet-port: of nodes that don't say theirs. Default 10250. */
  port?: number;
  /** --kubelet-preferred-address-types: which of a node's addresses is tried; the first that it has. */
  addressTypes?: readonly string[];
}

export interface NodeEndpoint {
  host: string;
  port: number;
}

export interface BackendRequest {
  url: URL;
  method: string;
  headers: OutgoingHttpHeaders;
  body?: Readable;
  signal: AbortSignal;
}

/** A way to HTTP servers: kubelets, or whatever runs in pods. */
export interface Backend {
  /** Rejects with Node's error. */
  request(request: BackendRequest): Promise<IncomingMessage>;
  upgrade(request: Omit<BackendRequest, 'body'>): Promise<UpgradeResult>;
  /** For what is asked from now on; what is on its way stays as it is. */
  setTls(changed: UpgradeTls): void;
  close(): void;
}

export interface Kubelets extends Backend {
  /** As `request`, of whoever answers there: its certificate is not looked at. */
  requestUnverified: Backend['request'];
  endpointOf(node: Node): NodeEndpoint;
  /** `https://ADDRESS:PORT`. Throws NotFound, or what makes the node unreachable. */
  locate(nodeName: string): Promise<URL>;
}

export const hostPort = (host: string, port: number | string) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

/** The address part of a URL as messages name it. */
export const authorityOf = (url: URL) => hostPort(url.hostname.replace(/^\[|\]$/g, ''), url.port || (url.protocol === 'https:' ? 443 : 80));

export function endpointOf(
  node: Node,
  { addressOf, addressTypes = defaultAddressTypes, port = defaultPort }: Pick<KubeletTls, 'addressOf' | 'addressTypes' | 'port'>,
): NodeEndpoint {
  const addresses = node.status?.addresses ?? [];
  const byName = addresses.find((a) => a.type === 'Hostname' && addressOf?.(a.address) !== undefined);
  const found = byName ?? addressTypes.map((type) => addresses.find((a) => a.type === type && a.address)).find((a) => a !== undefined);
  if (found === undefined) {
    const known = addresses.map((a) => `{${a.type} ${a.address}}`).join(' ');
    throw new StatusError(500, '', `no preferred addresses found; known addresses: [${known}]`);
  }
  return { host: found.address, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || port };
}

export function backend(given: UpgradeTls): Backend {
  let tls = given;
  // Logs and proxied requests come often, and a TLS handshake is dearer than what most of them answer.
  const secureAgent = () => new HttpsAgent({ keepAlive: true, maxFreeSockets: 8, ...tls });
  const agents = { 'https:': secureAgent(), 'http:': new Agent({ keepAlive: true }) };
  return {
    request: ({ url, method, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const secure = url.protocol === 'https:';
        const options: RequestOptions = { method, headers, signal, agent: secure ? agents['https:'] : agents['http:'] };
        const request = secure ? httpsRequest(url, options) : httpRequest(url, options);
        limitDialing(request, 30_000);
        request.on('response', resolve);
        request.on('error', reject);
        if (body === undefined) request.end();
        // A client that breaks off breaks the request; its error is told by the request.
        else pipeline(body, request, () => undefined);
      }),
    upgrade: ({ url, method, headers, signal }) => requestUpgrade({ url, method, headers, tls, signal }),
    setTls(changed) {
      tls = { ...tls, ...changed };
      const before = agents['https:'];
      agents['https:'] = secureAgent();
      // Connections that are in use end with it.
      before.maxFreeSockets = 0;
      for (const sockets of Object.values(before.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** Finds what `addressOf` knows there, and asks the system for the rest. */
function lookupIn(addressOf: NonNullable<KubeletTls['addressOf']>): LookupFunction {
  return (hostname, options: LookupOptions, done) => {
    const address = addressOf(hostname);
    if (address === undefined) return resolve(hostname, options, done as (error: Error | null, address: string | LookupAddress[]) => void);
    const family = isIP(address);
    if (options.all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}

export function kubelets(storages: Storages, { ca, cert, key, addressOf, ...options }: KubeletTls): Kubelets {
  const where = { ...(addressOf ? { addressOf } : {}), ...options };
  const client = { cert, key, ...(addressOf === undefined ? {} : { lookup: lookupIn(addressOf) }) };
  const unverified = backend({ ...client, rejectUnauthorized: false });
  const verified = ca === undefined ? unverified : backend({ ...client, ca });
  return {
    ...verified,
    requestUnverified: unverified.request,
    setTls({ ca: authority, ...pair }) {
      unverified.setTls(pair);
      if (verified !== unverified) verified.setTls({ ...pair, ...(authority === undefined ? {} : { ca: authority }) });
    },
    close() {
      verified.close();
      unverified.close();
    },
    endpointOf: (node) => endpointOf(node, where),
    async locate(nodeName) {
      const node = await readObject(storages, Node, '', nodeName);
      if (node === undefined) throw errors.notFound(Node, nodeName);
      const { host, port } = endpointOf(node, where);
      return new URL(`https://${hostPort(host, port)}`);
    },
  };
}

/** An upgrade's failure, as upstream words it. */
export function dialingFailed(error: unknown, url: URL): StatusError {
  return new StatusError(500, '', `error dialing backend: ${dialErrorMessage(error, authorityOf(url))}`);
}

/** A plain request's failure, as Go's client words it. */
export function requestFailed(error: unknown, method: string, url: URL): StatusError {
  return new StatusError(500, '', requestFailure(error, method, url));
}

export function requestFailure(error: unknown, method: string, url: URL): string {
  const label = `${method.charAt(0)}${method.slice(1).toLowerCase()}`;
  return `${label} ${JSON.stringify(url.href)}: ${dialErrorMessage(error, authorityOf(url))}`;
}
