import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type ClientHttp2Stream, constants } from 'node:http2';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { type Clock, systemClock } from '../time/index.ts';
import { chunksOf } from './chunks-of.ts';
import type { Transport, TransportRequest, TransportResponse } from './client.ts';
import { failure } from './create-client.ts';
import { dial, hasRoom, openSession, type Session } from './https-session.ts';
import { jsonLines } from './json-lines.ts';

/** PEM, or a function that reads it anew for each connection (rotated certificates). */
export type Pem = string | Buffer | (() => string | Buffer);

export interface HttpsTransportOptions {
  /** `https://HOST:PORT`, possibly with a path prefix; `http://` is taken too. */
  server: string;
  ca?: Pem | undefined;
  cert?: Pem | undefined;
  key?: Pem | undefined;
  token?: string | (() => string | Promise<string>) | undefined;
  /** Read for each request, at most once a minute: bound service-account tokens change on disk. */
  tokenFile?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
  insecureSkipTlsVerify?: boolean | undefined;
  tlsServerName?: string | undefined;
  /** The default User-Agent, for requests whose client names none. */
  userAgent?: string | undefined;
  impersonate?: { user: string; groups?: readonly string[]; uid?: string } | undefined;
  clock?: Clock;
}

export interface HttpsTransport extends Transport {
  /** Has new requests go over new connections, with the certificates as they are now; old ones end with their last request. */
  reconnect(): void;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Readable;
  /** Ends the request at once. */
  cancel(): void;
}

const tokenFileTtlMs = 60_000;
/** As client-go: so many tries where the server says Retry-After. */
const maxTries = 10;

/** JSON over HTTP/2, many requests on one connection; over HTTP/1.1 where the server speaks nothing else. */
export function httpsTransport(options: HttpsTransportOptions): HttpsTransport {
  const clock = options.clock ?? systemClock;
  const server = new URL(options.server);
  const prefix = server.pathname.replace(/\/$/, '');
  const lifetime = new AbortController();
  let sessions: Session[] = [];
  let opening: Promise<Session | undefined> | undefined;
  let agent: HttpAgent | HttpsAgent | undefined = server.protocol === 'http:' ? new HttpAgent({ keepAlive: true }) : undefined;

  const tls = (): ConnectionOptions => ({
    ...(options.ca ? { ca: read(options.ca) } : {}),
    ...(options.cert ? { cert: read(options.cert) } : {}),
    ...(options.key ? { key: read(options.key) } : {}),
    rejectUnauthorized: !options.insecureSkipTlsVerify,
    ...serverName(options.tlsServerName ?? server.hostname),
  });

  /** Room for one stream on a session, to be released; undefined where the server speaks HTTP/1.1 only. */
  const claim = async (): Promise<{ session: Session; release: () => void } | undefined> => {
    for (;;) {
      if (agent) return undefined;
      const free = sessions.find(hasRoom);
      if (free) return { session: free, release: free.use() };
      opening ??= (async () => {
        const socket = await dial(server, tls(), clock, lifetime.signal);
        if (socket.alpnProtocol !== 'h2') {
          socket.destroy();
          agent = new HttpsAgent({ keepAlive: true, ...tls() });
          return undefined;
        }
        const opened = await openSession(server, socket, clock);
        sessions = [...sessions.filter((s) => !s.closed), opened];
        opened.http2.once('close', () => {
          sessions = sessions.filter((s) => s !== opened);
        });
        return opened;
      })().finally(() => {
        opening = undefined;
      });
      await opening;
    }
  };

  const authorization = createAuthorization(options, clock);

  const headersOf = async (request: TransportRequest): Promise<Record<string, string | string[]>> => {
    const credentials = await authorization();
    const impersonate = options.impersonate;
    return {
      accept: request.accept ?? 'application/json',
      ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
      ...(options.userAgent ? { 'user-agent': options.userAgent } : {}),
      ...(credentials ? { authorization: credentials } : {}),
      ...(impersonate ? { 'impersonate-user': impersonate.user } : {}),
      ...(impersonate?.groups?.length ? { 'impersonate-group': [...impersonate.groups] } : {}),
      ...(impersonate?.uid ? { 'impersonate-uid': impersonate.uid } : {}),
      ...request.headers,
    };
  };

  const exchange = async (request: TransportRequest): Promise<Answer> => {
    lifetime.signal.throwIfAborted();
    request.signal?.throwIfAborted();
    const headers = await headersOf(request);
    const query = request.query.toString();
    const path = `${prefix}${request.path}${query ? `?${query}` : ''}`;
    const payload = request.body === undefined ? undefined : encode(request.body);
    const room = await claim();
    if (!room) return overHttp1(agent, server, request.method, path, headers, payload, request.signal);
    if (request.signal?.aborted) room.release();
    request.signal?.throwIfAborted();
    return overHttp2(room.session, room.release, server, request.method, path, headers, payload, request.signal);
  };

  const request = async (asked: TransportRequest): Promise<TransportResponse> => {
    for (let tries = 1; ; tries++) {
      const answer = await exchange(asked);
      const bytes = await collect(answer.body, asked.signal);
      const retryAfter = Number(answer.headers['retry-after']);
      const busy = answer.status === 429 || answer.status >= 500;
      if (busy && retryAfter > 0 && tries < maxTries) {
        await clock.sleep(retryAfter * 1000, asked.signal);
        continue;
      }
      return { status: answer.status, body: decode(bytes, answer.headers), warnings: warningsOf(answer.headers) };
    }
  };

  return {
    request,

    async *stream(asked) {
      const answer = await exchange(asked);
      try {
        if (answer.status >= 400) {
          const body = decode(await collect(answer.body, asked.signal), answer.headers);
          throw failure(asked, { status: answer.status, body });
        }
        // The server frames a watch as lines of WatchEvents.
        for await (const event of jsonLines(chunksOf(answer.body))) yield event as { type: string; object: unknown };
      } catch (error) {
        if (asked.signal?.aborted) throw asked.signal.reason;
        if (isEndOfStream(error)) return;
        throw error;
      } finally {
        answer.cancel();
      }
    },

    reconnect() {
      for (const old of sessions) old.http2.close();
      sessions = [];
      if (agent && server.protocol === 'https:') {
        agent.destroy();
        agent = undefined;
      }
    },

    async close() {
      lifetime.abort(new Error('the client is closed'));
      for (const open of sessions) open.http2.destroy();
      sessions = [];
      agent?.destroy();
    },
  };
}

async function overHttp2(
  session: Session,
  release: () => void,
  server: URL,
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  payload: Buffer | undefined,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const stream: ClientHttp2Stream = session.http2.request(
    {
      ':method': method,
      ':path': path,
      ':authority': server.host,
      ...headers,
      ...(payload ? { 'content-length': String(payload.length) } : {}),
    },
    { endStream: payload === undefined },
  );
  const cancel = () => {
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  };
  stream.once('close', release);
  const result = Promise.withResolvers<IncomingHttpHeaders>();
  stream.once('response', result.resolve);
  stream.on('error', (error) => result.reject(signal?.aborted ? signal.reason : error));
  stream.once('close', () =>
    result.reject(signal?.aborted ? signal.reason : new Error(`${method} ${path}: the server closed the stream unanswered`)),
  );
  onAbort(signal, stream, () => stream.destroy());
  if (payload) stream.end(payload);
  const answered = await result.promise;
  return { status: Number(answered[':status']), headers: answered, body: stream, cancel };
}

async function overHttp1(
  agent: HttpAgent | HttpsAgent | undefined,
  server: URL,
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  payload: Buffer | undefined,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const start = server.protocol === 'http:' ? httpRequest : httpsRequest;
  const sent = start(server, {
    method,
    path,
    headers: { ...headers, ...(payload ? { 'content-length': payload.length } : {}) },
    ...(agent ? { agent } : {}),
  });
  const result = Promise.withResolvers<Answer>();
  sent.once('response', (response) => {
    response.on('error', () => undefined);
    onAbort(signal, response, () => sent.destroy());
    result.resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response, cancel: () => void sent.destroy() });
  });
  sent.on('error', (error) => result.reject(signal?.aborted ? signal.reason : error));
  onAbort(signal, sent, () => sent.destroy());
  sent.end(payload);
  return result.promise;
}

/** Calls `cancel` on abort, for as long as the stream is open. */
function onAbort(signal: AbortSignal | undefined, stream: NodeJS.EventEmitter, cancel: () => void): void {
  if (!signal) return;
  signal.addEventListener('abort', cancel, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', cancel));
}

async function collect(body: Readable, signal?: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of chunksOf(body)) chunks.push(chunk);
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
  signal?.throwIfAborted();
  return Buffer.concat(chunks);
}

/** A connection that ended in the middle of a watch ends the watch: its reader goes on from where it was. */
function isEndOfStream(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    code === 'ECONNRESET' ||
    code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    code === 'ERR_HTTP2_STREAM_ERROR' ||
    code === 'ERR_HTTP2_SESSION_ERROR'
  );
}

function encode(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function decode(bytes: Buffer, headers: IncomingHttpHeaders): unknown {
  const text = bytes.toString();
  if (!/\bjson\b/.test(headers['content-type'] ?? '')) return text;
  return text === '' ? undefined : JSON.parse(text);
}

/** The texts of RFC 7234 Warning headers with code 299: `299 - "text"`. */
export function warningsOf(headers: IncomingHttpHeaders): string[] {
  const found: string[] = [];
  for (const [, quoted] of String(headers.warning ?? '').matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g))
    found.push((quoted ?? '').replace(/\\(.)/g, '$1'));
  return found;
}

const read = (pem: Pem): string | Buffer => (typeof pem === 'function' ? pem() : pem);

/** IP addresses are no server names (RFC 6066), but certificates are still checked against them. */
function serverName(host: string): { servername?: string } {
  return /^[\d.]+$/.test(host) || host.includes(':') ? {} : { servername: host };
}

/** What goes into the Authorization header. */
function createAuthorization(options: HttpsTransportOptions, clock: Clock): () => Promise<string | undefined> {
  const { token, tokenFile, username, password } = options;
  let cached: { token: string; atMs: number } | undefined;
  return async () => {
    if (tokenFile) {
      const now = clock.monotonic();
      if (!cached || now - cached.atMs > tokenFileTtlMs) cached = { token: (await readFile(tokenFile, 'utf8')).trim(), atMs: now };
      return `Bearer ${cached.token}`;
    }
    if (token !== undefined) return `Bearer ${typeof token === 'function' ? await token() : token}`;
    if (username !== undefined) return `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
    return undefined;
  };
}
