import type { KubeList, KubeObject, Resource, Status } from '../api/index.ts';
import { apiVersionOf, errors, StatusError } from '../api/index.ts';
import type { Client, PatchType, Transport, TransportRequest, TransportResponse, WatchEvent, WriteOptions } from './client.ts';
import { createReachability, type Reachability } from './reachability.ts';

export interface ClientOptions {
  /** Sent as the User-Agent of every request; tells one component from another in logs, metrics and managed fields. */
  userAgent?: string;
  /** Called with each Warning header's text. */
  onWarning?: (text: string) => void;
  /** Shared by clients of one server; default: one of its own. */
  reachability?: Reachability;
}

const patchContentTypes: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** The path of a resource's collection, of an object in it, or of an object's subresource. */
export function resourcePath(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const segments = resource.group === '' ? ['api', resource.version] : ['apis', resource.group, resource.version];
  if (resource.namespaced && namespace) segments.push('namespaces', namespace);
  segments.push(resource.plural);
  if (name !== undefined) segments.push(name);
  if (subresource) segments.push(...subresource.split('/'));
  return `/${segments.map(encodeURIComponent).join('/')}`;
}

/**
 * A `Client` over a transport: builds paths and queries, and turns what is not a success into a `StatusError`. Several clients
 * may share one transport; `close` closes it.
 */
export function createClient(transport: Transport, options: ClientOptions = {}): Client {
  const headers: Record<string, string> = options.userAgent ? { 'user-agent': options.userAgent } : {};

  const reachability = options.reachability ?? createReachability();

  const noteFailure = (error: unknown, signal: AbortSignal | undefined): void => {
    if (error instanceof StatusError) reachability.answered();
    else if (!signal?.aborted) reachability.lost();
  };

  const send = async (request: TransportRequest): Promise<unknown> => {
    request.signal?.throwIfAborted();
    const asked = { ...request, headers: { ...headers, ...request.headers } };
    const response = await transport.request(asked).catch((error: unknown) => {
      noteFailure(error, request.signal);
      throw error;
    });
    reachability.answered();
    if (options.onWarning) for (const text of response.warnings) options.onWarning(text);
    if (response.status >= 400) throw failure(request, response);
    return response.body;
  };

  const objectRequest = (
    method: string,
    resource: Resource,
    name: string | undefined,
    given: { namespace?: string | undefined; signal?: AbortSignal | undefined; subresource?: string | undefined },
    rest: Omit<Partial<TransportRequest>, 'method' | 'path'> = {},
  ): TransportRequest => {
    if (resource.namespaced && !given.namespace && method !== 'GET' && name === undefined && method !== 'DELETE') {
      throw new Error(`${method} of ${resource.plural} needs a namespace`);
    }
    if (name === '') throw new Error(`${method} of ${resource.plural} with an empty name`);
    return {
      method,
      path: resourcePath(resource, given.namespace, name, given.subresource),
      query: new URLSearchParams(),
      signal: given.signal,
      ...rest,
    };
  };

  // The server answers the resource's own kind to these verbs; that is what the casts to T and KubeList<T> below rely on.
  const client: Client = {
    async get<T extends KubeObject>(resource: Resource<T>, name: string, given: Parameters<Client['get']>[2] = {}) {
      const namespace = given.namespace;
      const query = queryOf({ resourceVersion: given.resourceVersion });
      return (await send(objectRequest('GET', resource, name, { ...given, namespace }, { query }))) as T;
    },

    async list<T extends KubeObject>(resource: Resource<T>, given: Parameters<Client['list']>[1] = {}) {
      const { namespace, signal, ...rest } = given;
      const list = (await send(objectRequest('GET', resource, undefined, { namespace, signal }, { query: queryOf(rest) }))) as KubeList<T>;
      const named = { kind: resource.kind, apiVersion: apiVersionOf(resource) };
      // Go encodes an empty slice that was never made as null, and leaves to the list what its items are.
      return { ...list, items: list.items?.map((item) => (item.kind === undefined ? { ...named, ...item } : item)) ?? [] };
    },

    async *watch<T extends KubeObject>(resource: Resource<T>, given: Parameters<Client['watch']>[1] = {}) {
      const { namespace, signal, ...rest } = given;
      signal?.throwIfAborted();
      const request = objectRequest(
        'GET',
        resource,
        undefined,
        { namespace, signal },
        { query: queryOf({ watch: true, ...rest }), headers },
      );
      try {
        for await (const event of transport.stream(request)) {
          reachability.answered();
          if (event.type === 'ERROR') throw StatusError.from(event.object as Status);
          yield event as WatchEvent<T>;
        }
      } catch (error) {
        noteFailure(error, signal);
        throw error;
      }
      signal?.throwIfAborted();
    },

    async create<T extends KubeObject>(resource: Resource<T>, object: object, given: WriteOptions = {}) {
      const meta = (object as { metadata?: { namespace?: string; name?: string } }).metadata;
      const namespace = given.namespace ?? meta?.namespace;
      // A subresource of an object (a pod's binding, an eviction) is created below the object's name; the object itself below its collection.
      const name = given.subresource ? meta?.name : undefined;
      return (await send(objectRequest('POST', resource, name, { ...given, namespace }, { query: writeQuery(given), body: object }))) as T;
    },

    async update<T extends KubeObject>(resource: Resource<T>, object: T, given: WriteOptions = {}) {
      const namespace = given.namespace ?? object.metadata.namespace;
      const request = objectRequest(
        'PUT',
        resource,
        object.metadata.name,
        { ...given, namespace },
        { query: writeQuery(given), body: object },
      );
      return (await send(request)) as T;
    },

    updateStatus: (resource, object, given = {}) => client.update(resource, object, { ...given, subresource: 'status' }),

    async patch<T extends KubeObject>(
      resource: Resource<T>,
      name: string,
      type: PatchType,
      patch: unknown,
      given: Parameters<Client['patch']>[4] = {},
    ) {
      const query = writeQuery(given);
      if (given.force) query.set('force', 'true');
      const rest = { query, body: patch, contentType: patchContentTypes[type] };
      return (await send(objectRequest('PATCH', resource, name, given, rest))) as T;
    },

    async delete<T extends KubeObject>(resource: Resource<T>, name: string, given: Parameters<Client['delete']>[2] = {}) {
      const { namespace, signal, ...body } = given;
      return (await send(objectRequest('DELETE', resource, name, { namespace, signal }, deleteBody(body)))) as T | Status;
    },

    async deleteCollection(resource, given = {}) {
      const { namespace, signal, labelSelector, fieldSelector, ...body } = given;
      const query = queryOf({ labelSelector, fieldSelector });
      await send(objectRequest('DELETE', resource, undefined, { namespace, signal }, { query, ...deleteBody(body) }));
    },

    async createSubresource<R extends { apiVersion: string; kind: string }>(
      resource: Resource,
      name: string,
      subresource: string,
      body: unknown,
      given: WriteOptions = {},
    ) {
      return (await send(objectRequest('POST', resource, name, { ...given, subresource }, { query: writeQuery(given), body }))) as R;
    },

    raw(method, path, given = {}) {
      const at = path.indexOf('?');
      const query = new URLSearchParams(at < 0 ? '' : path.slice(at + 1));
      const { 'content-type': contentType, accept, ...rest } = lowerCased(given.headers ?? {});
      return send({
        method,
        path: at < 0 ? path : path.slice(0, at),
        query,
        ...(given.body === undefined ? {} : { body: given.body }),
        ...(contentType ? { contentType } : {}),
        ...(accept ? { accept } : {}),
        headers: rest,
        signal: given.signal,
      });
    },

    reachability,
    close: () => transport.close(),
  };
  return client;
}

function queryOf(values: Record<string, string | number | boolean | undefined>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined && value !== '') query.set(key, String(value));
  return query;
}

function writeQuery(given: WriteOptions): URLSearchParams {
  return queryOf({ fieldManager: given.fieldManager, fieldValidation: given.fieldValidation, dryRun: given.dryRun ? 'All' : undefined });
}

function deleteBody(options: object): { body?: unknown } {
  return Object.keys(options).length === 0 ? {} : { body: { kind: 'DeleteOptions', apiVersion: 'v1', ...options } };
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** What a response that is no success says: its Status where it has one, else one made from the HTTP code. */
export function failure(
  request: Pick<TransportRequest, 'method' | 'path'>,
  response: Pick<TransportResponse, 'status' | 'body'>,
): StatusError {
  const body = response.body as Partial<Status> | undefined;
  if (typeof body === 'object' && body !== null && body.kind === 'Status')
    return StatusError.from({ code: response.status, ...body } as Status);
  const text = typeof response.body === 'string' ? response.body.trim() : '';
  const what = text || `the server answered ${response.status} to ${request.method} ${request.path}`;
  switch (response.status) {
    case 401:
      return errors.unauthorized();
    case 404:
      return new StatusError(404, 'NotFound', text || 'the server could not find the requested resource');
    case 429:
      return new StatusError(
        429,
        'TooManyRequests',
        text || 'the server has received too many requests and has asked us to try again later',
      );
    default:
      return new StatusError(response.status, reasonOf(response.status), what);
  }
}

function reasonOf(code: number): string {
  const known: Record<number, string> = {
    400: 'BadRequest',
    403: 'Forbidden',
    405: 'MethodNotAllowed',
    406: 'NotAcceptable',
    409: 'Conflict',
    410: 'Gone',
    413: 'RequestEntityTooLarge',
    415: 'UnsupportedMediaType',
    422: 'Invalid',
    503: 'ServiceUnavailable',
    504: 'Timeout',
  };
  return known[code] ?? (code >= 500 ? 'InternalError' : 'Unknown');
}
