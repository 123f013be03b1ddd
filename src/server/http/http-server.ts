/** HTTPS on Node's http2, with HTTP/1.1 for those who don't speak it and for upgrades. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import type { SecureVersion, TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Clock, Random } from '../../time/index.ts';
import type { Upgrade } from '../exchange.ts';
import type { Delivery } from '../pipeline/delivery.ts';
import type { Incoming, Outcome } from '../pipeline/pipeline.ts';
import type { Credentials } from '../request.ts';
import { RequestLifetime } from '../request-lifetime.ts';
import { type BrowserOptions, browserReply } from './browser-headers.ts';
import { clientCertificate } from './client-certificate.ts';
import { http1Reply, http2Reply, type Reply } from './reply.ts';
import { requestBody } from './request-body.ts';
import { respond } from './respond.ts';
import { refuseUpgrade } from './upgrade.ts';
import { isWebSocketWatch, sendWebSocketWatch } from './websocket-watch.ts';

export interface TlsOptions {
  cert: string | Buffer;
  key: string | Buffer;
  /** Client certificates signed by one of these identify their bearers. */
  clientCa?: string | Buffer | (string | Buffer)[];
  /** --tls-sni-cert-key: what is shown to clients that ask for a host, by its name (`*.example.com`); of several of a name the last. */
  named?: readonly { name: string; cert: string; key: string }[];
  /** --tls-min-version; default TLS 1.2. */
  minVersion?: SecureVersion;
  /** --tls-cipher-suites, in OpenSSL's names; default: Node's. */
  ciphers?: string;
  /** --tls-curve-preferences, in OpenSSL's names; default: Node's. */
  ecdhCurve?: string;
}

export interface HttpServerOptions {
  tls: TlsOptions;
  bindAddress: string;
  port: number;
  clock: Clock;
  random: Random;
  logger: Logger;
  handle(incoming: Incoming): Promise<Outcome>;
  limits?: Partial<HttpLimits>;
  /** A client has failed to agree about TLS. */
  onHandshakeError?(): void;
  /** Aborted when the server has stopped: ends what is still there. */
  lifetime: AbortSignal;
}

export interface HttpServer {
  /** `entrance`: a socket that listens already, whose connections are served as well. */
  listen(entrance?: Server): Promise<{ address: string; port: number }>;
  /** Connections from now on are made with these; those that are open stay as they are. Throws for what can't be used. */
  setTls(changed: Pick<TlsOptions, 'cert' | 'key' | 'clientCa'>): void;
  close(): Promise<void>;
}

/** How much patience clients find. */
export interface HttpLimits {
  /** A client that has not sent its headers by then is cut off. Default 30 s. */
  headersTimeoutMs: number;
  /** A client that takes nothing of a list or a watch for so long is cut off. Default 60 s. */
  stalledWriteMs: number;
  /** How long requests in flight may take when the server stops. Default 5 s. */
  drainMs: number;
  /** What browsers are told with each answer. Default: nothing. */
  browsers?: BrowserOptions;
  /** Whether other processes may listen at the same port (--permit-port-sharing). Default false. */
  sharesPort?: boolean;
  /** With this probability an HTTP/2 client is told to connect anew, so that clients spread over servers (--goaway-chance). Default 0. */
  goawayChance: number;
  /**
   * After an answer to somebody who has not said who they are an HTTP/2 connection takes no more requests: HTTP/2 is dear (feature gate
   * UnauthenticatedHTTP2DOSMitigation). Default false.
   */
  limitsAnonymous?: boolean;
  /** Requests that an HTTP/2 connection may have open at once (--http2-max-streams-per-connection). Default 250. */
  maxStreams?: number;
  /** Everybody speaks HTTP/1.1 (--disable-http2-serving). Default false. */
  withoutHttp2?: boolean;
}

export const defaultLimits: HttpLimits = { headersTimeoutMs: 30_000, stalledWriteMs: 60_000, drainMs: 5_000, goawayChance: 0 };
const handshakeTimeoutMs = 10_000;
/** Go's http.DefaultMaxHeaderBytes: long label selectors and tokens fit. */
const maxHeaderBytes = 1024 * 1024;
/** A request of either protocol. */
interface Request {
  method: string;
  url: string;
  /** Names and values in turn. */
  rawHeaders: readonly string[];
  socket: TLSSocket | undefined;
  body: Readable;
  isHttp2: boolean;
}

/** Lower-case names and values; pseudo-headers are no headers. */
function headersOf(rawHeaders: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!name.startsWith(':')) out.push([name.toLowerCase(), rawHeaders[i + 1] ?? '']);
  }
  return out;
}

/** Nobody changes a request's query. */
const noQuery = new URLSearchParams();

function split(url: string): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at < 0 ? { path: url, query: noQuery } : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

function webSocketProtocols(headers: readonly (readonly [string, string])[]): string[] {
  return headers
    .filter(([name]) => name === 'sec-websocket-protocol')
    .flatMap(([, value]) => value.split(','))
    .map((p) => p.trim())
    .filter((p) => p !== '');
}

function incomingOf(request: Request, lifetime: RequestLifetime, upgrade?: Upgrade): Incoming {
  const headers = headersOf(request.rawHeaders);
  const header = (name: string) => {
    for (const pair of headers) if (pair[0] === name) return pair[1];
    return undefined;
  };
  const { socket } = request;
  const certificate = socket === undefined ? undefined : clientCertificate(socket);
  const remoteAddress = socket === undefined ? '' : remoteAddressOf(socket);
  const credentials: Credentials = {
    ...(certificate === undefined ? {} : { certificate }),
    header,
    headers,
    webSocketProtocols: webSocketProtocols(headers),
    remoteAddress,
  };
  return {
    method: request.method,
    ...split(request.url),
    headers,
    body: requestBody(request.body, header('content-type'), header('content-length'), request.isHttp2),
    lifetime,
    remoteAddress,
    protocol: request.isHttp2 ? 'HTTP/2.0' : 'HTTP/1.1',
    credentials,
    ...(upgrade === undefined ? {} : { upgrade }),
  };
}

/** Asked of the system once a connection. */
const remoteAddresses = new WeakMap<TLSSocket, string>();

function remoteAddressOf(socket: TLSSocket): string {
  let address = remoteAddresses.get(socket);
  if (address === undefined) {
    address = socket.remoteAddress ?? '';
    remoteAddresses.set(socket, address);
  }
  return address;
}

const gone = new Error('the client has gone');

/** Whether nobody was known behind a request, or nobody was asked. */
function isUnauthenticated({ context: { user, impersonator } }: Outcome): boolean {
  const { name, groups } = impersonator ?? user;
  return name === 'system:anonymous' || groups.includes('system:unauthenticated');
}

/** Whether an answer is the last of its connection. */
const isLast = ({ answer }: Outcome) => answer.type === 'raw' && answer.headers?.connection === 'close';

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { tls, clock, random, logger, handle, lifetime } = options;
  const { headersTimeoutMs, stalledWriteMs, drainMs, goawayChance } = { ...defaultLimits, ...options.limits };
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Duplex>();
  const open = new Set<RequestLifetime>();
  const secureContext = ({ cert, key, clientCa }: Pick<TlsOptions, 'cert' | 'key' | 'clientCa'>) => ({
    ...{ cert, key, minVersion: tls.minVersion ?? 'TLSv1.2' },
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    ...(tls.ciphers === undefined ? {} : { ciphers: tls.ciphers }),
    ...(tls.ecdhCurve === undefined ? {} : { ecdhCurve: tls.ecdhCurve }),
  });
  const server: Http2SecureServer = createSecureServer({
    allowHTTP1: true,
    ...secureContext(tls),
    requestCert: tls.clientCa !== undefined,
    // An unknown certificate is no error: its bearer is merely not known by it.
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
    settings: { maxConcurrentStreams: options.limits?.maxStreams ?? 250, maxHeaderListSize: maxHeaderBytes },
  });
  /** Each speaks TLS as the server does by itself; those that are added later count. */
  const addNamed = ({ clientCa }: Pick<TlsOptions, 'clientCa'>) => {
    for (const { name, ...pair } of tls.named ?? [])
      server.addContext(name, secureContext({ ...pair, ...(clientCa === undefined ? {} : { clientCa }) }));
  };
  addNamed(tls);
  // Plain HTTP/1.1 settings, which the http2 server hands on to its fallback.
  Object.assign(server, {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs,
    requestTimeout: 0,
    keepAliveTimeout: 90_000,
    // As ALPN has it on the wire; createSecureServer always offers h2.
    ...(options.limits?.withoutHttp2 ? { ALPNProtocols: Buffer.from('\x08http/1.1') } : {}),
  });

  lifetime.addEventListener('abort', () => {
    for (const request of open) request.end(asError(lifetime.reason));
  });
  /** A request's lifetime ends with its stream or socket. */
  const begin = (connection: NodeJS.EventEmitter): RequestLifetime => {
    const begun = new RequestLifetime();
    if (lifetime.aborted) begun.end(asError(lifetime.reason));
    open.add(begun);
    connection.once('close', () => {
      open.delete(begun);
      begun.end(gone);
    });
    return begun;
  };

  const { browsers, limitsAnonymous = false } = options.limits ?? {};
  const serve = async (request: Request, plainReply: Reply, life: RequestLifetime) => {
    const reply = browsers ? browserReply(browsers, request, plainReply, random) : plainReply;
    if (reply === undefined) return;
    let delivery: Delivery | undefined;
    let bytes = 0;
    let isBroken = false;
    try {
      const outcome = await handle(incomingOf(request, life));
      delivery = outcome.delivery;
      if (isLast(outcome) || (limitsAnonymous && isUnauthenticated(outcome))) reply.goAway?.();
      // The time may be up, but then that is what is answered.
      if (open.has(life)) bytes = await respond(outcome, reply, clock, stalledWriteMs);
    } catch (error) {
      // Not by the client's leaving.
      isBroken = !life.isOver;
      if (isBroken) logger.error({ err: error, path: request.url }, 'could not answer a request');
      reply.destroy();
    } finally {
      delivery?.finished(bytes, isBroken);
    }
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url = '/', rawHeaders } = request;
    // A secure server's sockets are TLS sockets.
    const socket = request.socket as TLSSocket;
    void serve({ method, url, rawHeaders, socket, body: request, isHttp2: false }, http1Reply(response), begin(response));
  });
  // With a listener for HTTP/1.1 came one that dresses HTTP/2 streams as HTTP/1.1 requests; they are served as they are.
  server.removeAllListeners('stream');
  // Node's types do not know the fourth argument.
  (server as unknown as NodeJS.EventEmitter).on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _: number, rawHeaders: string[]) => {
      const { ':method': method = 'GET', ':path': url = '/' } = headers;
      stream.on('error', (error) => logger.debug({ err: error }, 'an HTTP/2 stream failed'));
      // Streams that are open are served to their end.
      if (goawayChance > 0 && random.next() < goawayChance) stream.session?.close();
      // A TLS socket behind a proxy of the same shape.
      const socket = stream.session?.socket as TLSSocket | undefined;
      void serve({ method, url, rawHeaders, socket, body: stream, isHttp2: true }, http2Reply(stream, method), begin(stream));
    },
  );
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', (error) => logger.debug({ err: error }, 'an HTTP/2 session failed'));
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', (error) => logger.debug({ err: error }, 'a connection failed'));
  });
  server.on('tlsClientError', (error) => {
    options.onHandshakeError?.();
    logger.debug({ err: error }, 'http: TLS handshake error');
  });
  // Node's types know only the plain server's upgrade event.
  (server as unknown as NodeJS.EventEmitter).on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => logger.debug({ err: error }, 'an upgraded connection failed'));
    const { method = 'GET', url = '/', rawHeaders } = request;
    const from = { method, url, rawHeaders, socket: request.socket as TLSSocket, body: request, isHttp2: false };
    const upgrade = { request, socket, head };
    handle(incomingOf(from, begin(socket), upgrade)).then(
      async (outcome) => {
        let bytes = 0;
        socket.on('close', () => outcome.delivery.finished(bytes));
        await outcome.delivery.answered(outcome.answer);
        const sent = isWebSocketWatch(outcome, upgrade) ? await sendWebSocketWatch(outcome, upgrade, clock, stalledWriteMs) : undefined;
        if (typeof sent === 'number') bytes = sent;
        else refuseUpgrade(sent === undefined ? outcome : { ...outcome, answer: sent }, socket);
        if (socket.destroyed) outcome.delivery.finished(0);
      },
      (error: unknown) => {
        logger.error({ err: error, path: request.url }, 'could not answer an upgrade');
        socket.destroy();
      },
    );
  });

  let entrance: Server | undefined;
  return {
    listen: (also) =>
      new Promise((resolve, reject) => {
        entrance = also;
        entrance?.on('connection', (socket) => server.emit('connection', socket));
        server.once('error', reject);
        server.listen({ port: options.port, host: options.bindAddress, reusePort: options.limits?.sharesPort ?? false }, () => {
          server.off('error', reject);
          server.on('error', (error) => logger.error({ err: error }, 'the HTTPS server failed'));
          const { address, port } = server.address() as AddressInfo; // a TCP server's address
          resolve({ address, port });
        });
      }),
    setTls(changed) {
      server.setSecureContext(secureContext(changed));
      addNamed(changed);
    },
    close: () =>
      new Promise((resolve) => {
        entrance?.close();
        if (!server.listening) return resolve();
        const force = clock.setTimer(
          drainMs,
          () => {
            for (const session of sessions) session.destroy();
            for (const socket of sockets) socket.destroy();
          },
          { background: true },
        );
        server.close(() => {
          force.cancel();
          resolve();
        });
        for (const session of sessions) session.close();
        for (const socket of sockets) endHttp1(socket);
      }),
  };
}

/** A kept-alive HTTP/1.1 connection would hold the server open: between requests it ends at once, else after the answer. */
function endHttp1(socket: Duplex): void {
  const { alpnProtocol, _httpMessage: answering } = socket as TLSSocket & { _httpMessage?: ServerResponse };
  if (alpnProtocol === 'h2') return;
  if (!answering) socket.destroy();
  else if (answering.headersSent) answering.once('finish', () => socket.end());
  else answering.shouldKeepAlive = false;
}

const asError = (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason)));
