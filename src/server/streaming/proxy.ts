/** nodes/proxy, pods/proxy and services/proxy: a reverse proxy to a kubelet, a pod, or one of a service's endpoints. */
import type { IncomingMessage } from 'node:http';
import { type Duplex, pipeline, type Readable } from 'node:stream';
import { createDeflateRaw, createGunzip, createGzip, createInflateRaw } from 'node:zlib';
import { type Endpoint, EndpointSlice, errors, type KubeObject, type Node, Pod, type Resource, Service } from '../../api/index.ts';
import { dialErrorMessage } from '../../client/index.ts';
import type { Random } from '../../time/index.ts';
import type { Answer } from '../exchange.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import { readObject, type Storages } from '../storages.ts';
import { passUpgrade, requestHeaders, responseHeaders, upgradeHeaders } from './forwarding.ts';
import { rewriteLinks, throughProxy } from './html-links.ts';
import { authorityOf, type Backend, dialingFailed, hostPort, type Kubelets } from './kubelet-connection.ts';

export interface ProxyDependencies {
  storages: Storages;
  kubelets: Kubelets;
  /** To pods and services; https without verification, as upstream. */
  workloads: Backend;
  random: Random;
}

interface Target {
  /** Scheme and authority. */
  base: URL;
  backend: Backend;
}

/** `name`, `name:port` or `scheme:name:port`. Throws BadRequest. */
export function splitSchemeNamePort(id: string, what: string): { scheme: 'http' | 'https' | ''; name: string; port: string } {
  const parts = id.split(':');
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts];
  if (parts.length > 3 || name === '' || (parts.length === 3 && scheme !== 'http' && scheme !== 'https' && scheme !== ''))
    throw errors.badRequest(`invalid ${what} request ${JSON.stringify(id)}`);
  return { scheme: scheme as 'http' | 'https' | '', name, port }; // checked above
}

/** Loopback and link-local addresses are the API server's own surroundings: nobody is proxied there (upstream's IsProxyableIP). */
function demandProxyable(ip: string): void {
  if (ip === '' || /^127\.|^169\.254\.|^::1$|^fe[89ab]|^0\.0\.0\.0$|^::$|^22[4-9]\.|^23\d\.|^ff/i.test(ip))
    throw errors.badRequest('address not allowed');
}

async function nodeTarget({ storages, kubelets, workloads }: ProxyDependencies, { context, served }: HandlerCall): Promise<Target> {
  const { scheme, name, port } = splitSchemeNamePort(context.info.name, 'node');
  const node = await readObject(storages, served.resource as Resource<Node>, '', name); // nodes' own handler
  if (node === undefined) throw errors.notFound(served.resource, name);
  const endpoint = kubelets.endpointOf(node);
  if (port === '' || port === String(endpoint.port))
    return { base: new URL(`https://${hostPort(endpoint.host, endpoint.port)}`), backend: kubelets };
  demandProxyable(endpoint.host);
  return { base: new URL(`${scheme || 'http'}://${hostPort(endpoint.host, port)}`), backend: workloads };
}

async function podTarget({ storages, workloads }: ProxyDependencies, { context, served }: HandlerCall): Promise<Target> {
  const { scheme, name, port } = splitSchemeNamePort(context.info.name, 'pod');
  const pod = await readObject(storages, served.resource as Resource<Pod>, context.info.namespace, name); // pods' own handler
  if (pod === undefined) throw errors.notFound(served.resource, name);
  const ip = pod.status?.podIP ?? '';
  demandProxyable(ip);
  const declared = pod.spec.containers.flatMap((c) => c.ports ?? [])[0]?.containerPort;
  const chosen = port || declared;
  return {
    base: new URL(`${scheme || 'http'}://${chosen === undefined ? (ip.includes(':') ? `[${ip}]` : ip) : hostPort(ip, chosen)}`),
    backend: workloads,
  };
}

/** The name of the service port that was asked for by number or name. */
function portName(service: Service, port: string): string {
  if (!/^\d+$/.test(port)) return port;
  const found = service.spec?.ports?.find((p) => p.port === Number(port));
  if (found === undefined)
    throw errors.serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(service.metadata.name)}`);
  return found.name ?? '';
}

async function serviceTarget({ storages, workloads, random }: ProxyDependencies, { context }: HandlerCall): Promise<Target> {
  const { namespace, name: id } = context.info;
  const { scheme, name, port } = splitSchemeNamePort(id, 'service');
  const service = await readObject(storages, Service, namespace, name);
  if (service === undefined) throw errors.notFound(Service, name);
  const wanted = portName(service, port);
  const slices = await storages(EndpointSlice).list({
    namespace,
    resourceVersion: '0',
    matches: (slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name,
  });
  const candidates = slices.items.flatMap(({ object }) =>
    (object.ports ?? [])
      .filter((p) => (p.name ?? '') === wanted && p.port !== undefined)
      .flatMap((p) =>
        (object.endpoints ?? [])
          .filter((e) => e.conditions?.ready !== false)
          .flatMap((e) => e.addresses.map((address) => ({ address, port: p.port ?? 0, target: e.targetRef }))),
      ),
  );
  const start = Math.floor(random.next() * candidates.length);
  for (const { address, port: number, target } of [...candidates.slice(start), ...candidates.slice(0, start)]) {
    if (!(await isOfPod(storages, namespace, address, target))) continue;
    demandProxyable(address);
    return { base: new URL(`${scheme || 'http'}://${hostPort(address, number)}`), backend: workloads };
  }
  throw errors.serviceUnavailable(`no endpoints available for service ${JSON.stringify(id)}`);
}

/** Who may write endpoints must not have the API server call whatever they name: only a pod's own addresses. */
async function isOfPod(storages: Storages, namespace: string, address: string, target: Endpoint['targetRef']): Promise<boolean> {
  if (target?.name === undefined || target.namespace !== namespace) return false;
  const pod = await readObject(storages, Pod, namespace, target.name);
  return pod?.status?.podIPs?.some(({ ip }) => ip === address) ?? false;
}

/** The path below `.../proxy`, percent-encoded as it came; empty where there is not even a slash. */
export function pathBelowProxy(path: string): { own: string; rest: string } {
  const match = /^((?:\/[^/]+)*?\/(?:nodes|pods|services)\/[^/]+\/proxy)(\/.*)?$/.exec(path);
  return { own: match?.[1] ?? path, rest: match?.[2] ?? '' };
}

/** How a page is unpacked, to be read, and packed again; undefined for a packing that upstream does not understand either. */
function packing(encoding = ''): [Duplex[], Duplex[]] | undefined {
  switch (encoding) {
    case '':
      return [[], []];
    case 'gzip':
      return [[createGunzip()], [createGzip()]];
    case 'deflate':
      return [[createInflateRaw()], [createDeflateRaw()]];
    default:
      return undefined;
  }
}

/** The answer's body, and what changes of its headers: links to the backend itself lead through the proxy again. */
function led(
  response: IncomingMessage,
  method: string,
  lead: (url: string) => string,
): { body: Readable; headers: ReturnType<typeof responseHeaders> } {
  const headers = responseHeaders(response.headers);
  if (response.headers.location !== undefined)
    return { body: response, headers: { ...headers, location: lead(response.headers.location) } };
  const isPage = response.headers['content-type']?.split(';', 1)[0]?.trim() === 'text/html';
  const packed = isPage && method !== 'HEAD' ? packing(response.headers['content-encoding']) : undefined;
  if (packed === undefined) return { body: response, headers };
  const { 'content-length': _, ...others } = headers;
  const [unpack, pack] = packed;
  const links = rewriteLinks(lead);
  // Whoever reads the last of them hears of an error in any.
  pipeline([response, ...unpack, links, ...pack], () => {});
  return { body: pack[0] ?? links, headers: others };
}

async function proxy(call: HandlerCall, { base, backend }: Target): Promise<Answer> {
  const { context } = call;
  const { method, upgrade, signal } = context;
  const { own, rest } = pathBelowProxy(context.path);
  const search = context.query.size > 0 ? `?${context.query}` : '';
  const url = new URL(base);
  url.pathname = rest || '/';
  url.search = search;
  if (upgrade !== undefined) {
    const result = await backend
      .upgrade({ url, method, headers: upgradeHeaders(context, upgrade), signal })
      .catch((error: unknown) => Promise.reject(dialingFailed(error, url)));
    return passUpgrade(result, upgrade, signal);
  }
  // Relative links need a folder to be relative to (upstream's issue 4958).
  if (rest === '' && (method === 'GET' || method === 'HEAD'))
    return { type: 'raw', status: 301, contentType: 'text/plain', body: '', headers: { location: `${own}/${search}` } };
  const headers = { ...requestHeaders(context), 'x-forwarded-uri': context.path, 'x-forwarded-proto': 'https' };
  const body = method === 'GET' || method === 'HEAD' ? {} : { body: context.body.stream() };
  let response: IncomingMessage;
  try {
    response = await backend.request({ url, method, headers, signal, ...body });
  } catch (error) {
    throw errors.serviceUnavailable(`error trying to reach service: ${dialErrorMessage(error, authorityOf(url))}`);
  }
  // By its own name too, for the client takes what it asks for the backend's.
  const asked = context.rawHeaders.find(([name]) => name === 'host' || name === ':authority')?.[1];
  const { body: answer, headers: answered } = led(response, method, (to) => throughProxy(to, own, [url.host, asked]));
  return { type: 'stream', status: response.statusCode ?? 502, headers: answered, body: answer };
}

export function proxyHandlers(dependencies: ProxyDependencies): SubresourceHandler[] {
  const handler = (
    resource: string,
    kind: string,
    find: (dependencies: ProxyDependencies, call: HandlerCall) => Promise<Target>,
  ): SubresourceHandler => ({
    group: '',
    resource,
    subresource: 'proxy',
    verbs: ['create', 'delete', 'get', 'patch', 'update'],
    takesOptions: true,
    isStream: true,
    kind: { group: '', version: 'v1', kind },
    async handle(call) {
      const options: Resource = { group: '', version: 'v1', kind, plural: resource, namespaced: resource !== 'nodes' };
      const object = { apiVersion: 'v1', kind, path: pathBelowProxy(call.context.path).rest };
      // The options kinds have no metadata; admission plugins know that.
      await call.admit('CONNECT', options, object as unknown as KubeObject);
      return proxy(call, await find(dependencies, call));
    },
  });
  return [
    handler('nodes', 'NodeProxyOptions', nodeTarget),
    handler('pods', 'PodProxyOptions', podTarget),
    handler('services', 'ServiceProxyOptions', serviceTarget),
  ];
}
