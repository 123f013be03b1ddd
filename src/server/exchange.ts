/**
 * What flows between the transports (HTTP, in process), the filters and the handlers: a request's context and its answer. An
 * answer names objects, not bytes: only the HTTP face encodes, and where the bytes exist already it sends those.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { KubeObject, ListMeta, ObjectMeta } from '../api/index.ts';
import type { Health } from '../observability/index.ts';
import type { Admission } from './flowcontrol/index.ts';
import type { Latencies } from './latencies.ts';
import type { ServedResource } from './registry/served-resource.ts';
import type { RequestInfo, UserInfo } from './request.ts';

/** The body of a request: already decoded in process, bytes over HTTP. */
export interface RequestBody {
  /** Media type without parameters; empty where the client sent none. */
  readonly contentType: string;
  /** The object of an in-process request, shared with its caller: never changed in place. */
  readonly value?: unknown;
  /** The bytes of an HTTP request, up to the limit of 3 MiB. Throws RequestEntityTooLarge. */
  bytes(): Promise<Buffer>;
  /** The unread, unlimited stream, for proxies. */
  stream(): Readable;
}

/** A connection that asks to speak another protocol (WebSocket, SPDY). Whoever takes it answers the handshake. */
export interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

/** One request on its way, filled by the filters. */
export interface RequestContext {
  readonly method: string;
  /** As it came, percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly info: RequestInfo;
  user: UserInfo;
  /** Who really asked, where `user` is impersonated. */
  impersonator?: UserInfo;
  /** The verb that allowed it, where that is narrower than `impersonate`. */
  impersonationConstraint?: string;
  readonly auditId: string;
  readonly remoteAddress: string;
  /** `HTTP/1.1` or `HTTP/2.0`. */
  readonly protocol: string;
  /** The Accept header, or what stands for it in process. */
  readonly accept: string;
  readonly userAgent: string;
  header(name: string): string | undefined;
  /** Every value of a repeated header, in order. */
  headerValues(name: string): readonly string[];
  /** All headers with their values in order, lower-case, for proxies. */
  readonly rawHeaders: readonly (readonly [string, string])[];
  readonly body: RequestBody;
  /** Aborted when the client has gone, the time is up or the server stops. */
  readonly signal: AbortSignal;
  /** When it came, by the monotonic clock. */
  startedMs?: number;
  /** When its time is up, by the monotonic clock; undefined for requests that take as long as they like. */
  deadlineMs?: number;
  /** Sent as a Warning header (`299 - "text"`); duplicates are dropped. */
  warn(message: string): void;
  readonly warnings: readonly string[];
  /** Adds to the request's audit event, where it is audited (`of`: at that level or more). A key's first value stays. */
  auditAnnotation(key: string, value: string, of?: 'Request'): void;
  /** What is noted for the audit log; undefined where the policy asks for nothing of this request. */
  audit?: AuditNotes;
  /** Set where the version that is asked for is deprecated. `removedRelease`: `1.22`, or empty. */
  deprecation?: { removedRelease: string };
  /** Of the body, where it was read. */
  bodyBytes?: number;
  /** Routes of built-in resources claim the path: what is not found there is a Status, elsewhere the mux's line of text. */
  isRouted?: boolean;
  /** How it was let in, where requests are limited. */
  admission?: Admission;
  /** Where its time has gone, as far as that is known. */
  readonly latencies?: Latencies;
  /** Of a watch: to be called once its initial events have been sent. */
  initialized?: () => void;
  /** Where the request is traced: notes how far it has come. */
  milestone?: (what: string, attributes?: Readonly<Record<string, string | number>>) => void;
  readonly upgrade?: Upgrade;
  /** Whether CBOR may be spoken (the feature CBORServingAndStorage). */
  readonly cbor?: boolean;
  /** In process: the answer is handed over by reference. */
  readonly local: boolean;
}

/** The same request as if it asked for something else: an eviction deletes. All else, now and later, is the request's own. */
export function contextWith(context: RequestContext, changes: Partial<Pick<RequestContext, 'info'>>): RequestContext {
  return Object.assign(Object.create(context), changes);
}

/** What handlers tell the audit log of a request. */
export interface AuditNotes {
  annotate(key: string, value: string, of?: 'Request'): void;
  /** The request's object in the version at hand, or its patch. `make` is called only where the policy asks for bodies. */
  request(metadata: Partial<ObjectMeta> | undefined, make: () => unknown): void;
}

/** An object and, where they exist, its bytes in the storage version's JSON. */
export interface Item {
  readonly object: KubeObject;
  readonly bytes?: Buffer;
  /** Where it comes from the cache: the object for who goes on holding it. */
  readonly shared?: KubeObject;
}

export type AnswerEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; item: Item }
  | { type: 'BOOKMARK' | 'ERROR'; item: { object: { kind: string; apiVersion: string; metadata: object }; bytes?: undefined } };

export type Answer =
  /** One object: of a resource, or a Status, a review, a discovery document. */
  | {
      type: 'object';
      status: number;
      item: { readonly object: object; readonly bytes?: Buffer };
      resource?: ServedResource;
      headers?: Readonly<Record<string, string>>;
    }
  | { type: 'list'; resource: ServedResource; metadata: ListMeta; items: readonly Item[] }
  /** Events in batches of what came together. */
  | { type: 'watch'; resource: ServedResource; events: AsyncIterable<readonly AnswerEvent[]> }
  /** Anything that is not an API object: text, metrics, documents with a media type of their own. */
  | { type: 'raw'; status: number; contentType: string; body: string | Uint8Array; headers?: Record<string, string> }
  /** Bytes as they come: logs, proxied responses. */
  | { type: 'stream'; status: number; headers: Record<string, string | string[]>; body: AsyncIterable<Uint8Array> }
  /** The handler has taken the upgraded connection and answers by itself. */
  | { type: 'hijacked' };

/** A plain JSON answer. */
export function objectAnswer(object: object, status = 200): Answer {
  return { type: 'object', status, item: { object } };
}

export function textAnswer(body: string, status = 200, contentType = 'text/plain; charset=utf-8'): Answer {
  return { type: 'raw', status, contentType, body };
}

/** A health endpoint's answer; undefined for other paths. */
export function healthAnswer(health: Health, context: RequestContext): Promise<Answer> | undefined {
  const headers = { 'x-content-type-options': 'nosniff' };
  return health
    .answer(context)
    ?.then(({ status, body }) => ({ type: 'raw', status, contentType: 'text/plain; charset=utf-8', body, headers }));
}
