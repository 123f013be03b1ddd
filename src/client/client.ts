/**
 * What every component holds. A `Client` speaks the verbs of the API over typed kinds (`client.get(Pod, 'redis', ...)`) and over
 * dynamic ones (any `Resource`), and never tells whether the server is in the same process or across HTTPS. Failures are
 * `StatusError`s; an aborted signal rejects with the signal's reason.
 */
import type { DeleteOptions, Draft, KubeList, KubeObject, ListMeta, Resource, Status } from '../api/index.ts';
import type { Reachability } from './reachability.ts';

export interface RequestOptions {
  namespace?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface GetOptions extends RequestOptions {
  resourceVersion?: string;
  subresource?: string;
}

export interface ListOptions extends RequestOptions {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface WatchOptions extends RequestOptions {
  labelSelector?: string;
  fieldSelector?: string;
  /** Events after this version; without it the present objects come first as ADDED. */
  resourceVersion?: string;
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  resourceVersionMatch?: 'NotOlderThan';
  timeoutSeconds?: number;
}

export interface WriteOptions extends RequestOptions {
  fieldManager?: string;
  dryRun?: boolean;
  fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
  subresource?: string;
}

export interface PatchOptions extends WriteOptions {
  /** Server-side apply only: take fields that others own. */
  force?: boolean;
}

export type DeleteRequestOptions = RequestOptions & Omit<DeleteOptions, 'apiVersion' | 'kind'>;

/** How a patch is written: RFC 6902, RFC 7386, Kubernetes' strategic merge, server-side apply. */
export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: { apiVersion: string; kind: string; metadata: ListMeta & { annotations?: Record<string, string> } } };

export interface Client {
  get<T extends KubeObject>(resource: Resource<T>, name: string, options?: GetOptions): Promise<T>;
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<KubeList<T>>;
  /** Ends when the server ends it; throws StatusError (410 `Expired`: list anew) when the server sends an ERROR event. */
  watch<T extends KubeObject>(resource: Resource<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(resource: Resource<T>, object: Draft<T>, options?: WriteOptions): Promise<T>;
  update<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** `update` of the status subresource. */
  updateStatus<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(resource: Resource<T>, name: string, type: PatchType, patch: unknown, options?: PatchOptions): Promise<T>;
  /** The deleted object, or a Status, as the server answers. */
  delete<T extends KubeObject>(resource: Resource<T>, name: string, options?: DeleteRequestOptions): Promise<T | Status>;
  deleteCollection<T extends KubeObject>(
    resource: Resource<T>,
    options?: DeleteRequestOptions & Pick<ListOptions, 'labelSelector' | 'fieldSelector'>,
  ): Promise<void>;
  /** POST to a subresource with a body of another kind: pods/binding, pods/eviction, serviceaccounts/token. */
  createSubresource<R extends { apiVersion: string; kind: string }>(
    resource: Resource,
    name: string,
    subresource: string,
    body: unknown,
    options?: WriteOptions,
  ): Promise<R>;
  /** Any path: discovery, /version, /metrics. Answers the decoded JSON, or text. */
  raw(method: string, path: string, options?: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal }): Promise<unknown>;
  /** Tells who waits after a failure that the server answers again. */
  readonly reachability: Reachability;
  /** The same server as somebody else (impersonation is not used; in process it is another identity, over HTTPS other credentials). */
  close(): Promise<void>;
}

/**
 * What a client stands on: one request and its answer. HTTPS (`client/https-transport.ts`) and the API server's in-process face
 * implement it. Objects that come out are immutable and may be shared.
 */
export interface Transport {
  request(request: TransportRequest): Promise<TransportResponse>;
  /** A watch: decoded events as they come. */
  stream(request: TransportRequest): AsyncIterable<{ type: string; object: unknown }>;
  close(): Promise<void>;
}

export interface TransportRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | string;
  /** Without query. */
  path: string;
  query: URLSearchParams;
  /** A plain object, serialized by the transport where it must be. */
  body?: unknown;
  contentType?: string;
  accept?: string;
  /** Further request headers, lower-case: user-agent, impersonation. */
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

export interface TransportResponse {
  status: number;
  /** The decoded JSON body, or text where it is not JSON. */
  body: unknown;
  warnings: string[];
}
