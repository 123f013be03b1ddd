/** HTTPS on Node's http2, with HTTP/1.1 for those who don't speak it and for upgrades. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Clock } from '../../time/index.ts';
import type { Upgrade } from '../exchange.ts';
import type { Incoming, Outcome } from '../pipeline/pipeline.ts';
import type { Credentials } from '../request.ts';
import { clientCertificate } from './client-certificate.ts';
import { requestBody } from './request-body.ts';
import { respond } from './respond.ts';
import { refuseUpgrade } from './upgrade.ts';

export interface TlsOptions {
  cert: string | Buffer;
  key: string | Buffer;
  /** Client certificates signed by one of these identify their bearers. */
  clientCa?: string | Buffer | (string | Buffer)[];
}

export interface HttpServerOptions {
  tls: TlsOptions;
  bindAddress: string;
  port: number;
  clock: Clock;
  logger: Logger;
  handle(incoming: Incoming): Promise<Outcome>;
  limits?: Partial<HttpLimits>;
  /** Aborted when the server stops: ends what lives long. */
  lifetime: AbortSignal;
}

export interface HttpServer {
  /** `entrance`: a socket that listens already, whose connections are served as well. */
  listen(entrance?: Server): Promise<{ address: string; port: number }>;
  close(): Promise<void>;
}

/** How much patience clients find. */
export interface HttpLimits {
  /** A client that has not sent its headers by then is cut off. Default 30 s. */
  headersTimeoutMs: number;
  /** A client that takes nothing of a list or a watch for so long is cut off. Default 60 s. */
  stalledWriteMs: number;
}

const defaultLimits: HttpLimits = { headersTimeoutMs: 30_000, stalledWriteMs: 60_000 };
const handshakeTimeoutMs = 10_000;
/** Go's http.DefaultMaxHeaderBytes: long label selectors and tokens fit. */
const maxHeaderBytes = 1024 * 1024;
/** How long requests in flight may take when the server stops. */
const drainMs = 5_000;

type AnyRequest = IncomingMessage | Http2ServerRequest;

function headersOf(request: AnyRequest): [string, string][] {
  const { rawHeaders } = request;
  const out: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!name.startsWith(':')) out.push([name.toLowerCase(), rawHeaders[i + 1] ?? '']);
  }
  return out;
}

function split(url: string): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at < 0 ? { path: url, query: new URLSearchParams() } : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

function incomingOf(request: AnyRequest, signal: AbortSignal, upgrade?: Upgrade): Incoming {
  const headers = headersOf(request);
  const header = (name: string) => headers.find(([key]) => key === name)?.[1];
  // A secure server's sockets are TLS sockets, behind HTTP/2 by a proxy of the same shape.
  const socket = ('stream' in request ? request.stream.session?.socket : request.socket) as TLSSocket | undefined;
  const certificate = socket === undefined ? undefined : clientCertificate(socket);
  const remoteAddress = socket?.remoteAddress ?? '';
  const credentials: Credentials = {
    ...(certificate === undefined ? {} : { certificate }),
    header,
    webSocketProtocols: (header('sec-websocket-protocol') ?? '')
      .split(',')
      .map((p) => p.trim())
      .filter((p) => p !== ''),
    remoteAddress,
  };
  return {
    method: request.method ?? 'GET',
    ...split(request.url ?? '/'),
    headers,
    body: requestBody(request, header('content-type'), header('content-length')),
    signal,
    remoteAddress,
    credentials,
    ...(upgrade === undefined ? {} : { upgrade }),
  };
}

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { tls, clock, logger, handle, lifetime } = options;
  const { headersTimeoutMs, stalledWriteMs } = { ...defaultLimits, ...options.limits };
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Duplex>();
  const server: Http2SecureServer = createSecureServer({
    allowHTTP1: true,
    cert: tls.cert,
    key: tls.key,
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa }),
    requestCert: tls.clientCa !== undefined,
    // An unknown certificate is no error: its bearer is merely not known by it.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    handshakeTimeout: handshakeTimeoutMs,
    settings: { maxConcurrentStreams: 250, maxHeaderListSize: maxHeaderBytes },
  });
  // Plain HTTP/1.1 settings, which the http2 server hands on to its fallback.
  Object.assign(server, {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs,
    requestTimeout: 0,
    keepAliveTimeout: 90_000,
  });

  const serve = async (request: AnyRequest, response: ServerResponse | Http2ServerResponse) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort(new Error('the client has gone')));
    const signal = AbortSignal.any([gone.signal, lifetime]);
    try {
      const outcome = await handle(incomingOf(request, signal));
      if (gone.signal.aborted) return;
      await respond(outcome, response, clock, stalledWriteMs);
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error, path: request.url }, 'could not answer a request');
      // Headers may be out already: the client sees a broken answer rather than a wrong one.
      if ('stream' in response) response.stream?.destroy();
      else response.destroy();
    }
  };
  server.on('request', (request, response) => void serve(request, response));
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
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'http: TLS handshake error'));
  // Node's types know only the plain server's upgrade event.
  (server as unknown as NodeJS.EventEmitter).on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const gone = new AbortController();
    socket.on('close', () => gone.abort(new Error('the client has gone')));
    socket.on('error', (error) => logger.debug({ err: error }, 'an upgraded connection failed'));
    const signal = AbortSignal.any([gone.signal, lifetime]);
    handle(incomingOf(request, signal, { request, socket, head })).then(
      (outcome) => refuseUpgrade(outcome, socket),
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
        server.listen(options.port, options.bindAddress, () => {
          server.off('error', reject);
          server.on('error', (error) => logger.error({ err: error }, 'the HTTPS server failed'));
          const { address, port } = server.address() as AddressInfo; // a TCP server's address
          resolve({ address, port });
        });
      }),
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
        for (const socket of sockets) if (isIdleHttp1(socket)) socket.destroy();
      }),
  };
}

/** A kept-alive HTTP/1.1 connection between requests would hold the server open. */
function isIdleHttp1(socket: Duplex): boolean {
  const { alpnProtocol, _httpMessage } = socket as TLSSocket & { _httpMessage?: unknown };
  return alpnProtocol !== 'h2' && !_httpMessage;
}
