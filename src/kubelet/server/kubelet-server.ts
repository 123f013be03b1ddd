/** The kubelet's HTTPS server, which the API server, metrics-server and Prometheus ask. HTTP/1.1, for its upgrades. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Client } from '../../client/index.ts';
import type { Runtime } from '../../runtime/index.ts';
import type { Clock } from '../../time/index.ts';
import type { MachineInfo } from '../node/machine.ts';
import { authentication } from './authentication.ts';
import { authorization } from './authorization.ts';
import { containerExits } from './container-exits.ts';
import { answer, type ServedKubelet, sendHealth, sendText } from './endpoints.ts';
import { LogRequestError } from './logs/log-request.ts';
import { failureOf, joinStreams, parseCommandPath, refuse, streamingUrl } from './remote-command.ts';

export interface KubeletServerOptions {
  kubelet: ServedKubelet;
  runtime: Runtime;
  /** Asks the API server who may do what (TokenReview, SubjectAccessReview). */
  client: Client;
  machine: MachineInfo;
  tls: {
    cert: string;
    key: string;
    /** Signs client certificates, PEM (--client-ca-file). */
    clientCa: string;
  };
  /** Default 0.0.0.0. */
  address?: string;
  /** Default 10250; 0: any that is free. */
  port?: number;
  /** Plain HTTP on loopback for /healthz; default 10248, 0: none. */
  healthzPort?: number;
  /** --healthz-bind-address; default 127.0.0.1. */
  healthzAddress?: string | undefined;
  metrics: Registry;
  clock: Clock;
  logger: Logger;
  /** --anonymous-auth, default false: who shows nothing is refused. */
  anonymous?: boolean;
}

export interface KubeletServer {
  listen(): Promise<{ address: string; port: number }>;
  close(): Promise<void>;
}

function listenOn(server: Server, port: number, address: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo); // a TCP server's address
    });
  });
}

export function createKubeletServer(options: KubeletServerOptions): KubeletServer {
  const { kubelet, runtime, client, machine, tls, metrics, clock } = options;
  const { nodeName } = kubelet;
  const logger = options.logger.child({ component: 'kubelet-server', node: nodeName });
  const lifetime = new AbortController();
  const authenticate = authentication({ client, clock, anonymous: options.anonymous ?? false });
  const authorize = authorization({ client, clock, nodeName });
  const exits = containerExits({ runtime, clock, logger });
  const endpoints = { kubelet, runtime, machine, metrics, clock, exits };
  const upgraded = new Set<Duplex>();

  /** Why the request may not be, with its HTTP status; undefined where it may. */
  const objection = async (request: IncomingMessage, path: string): Promise<{ status: number; message: string } | undefined> => {
    try {
      const user = await authenticate(request);
      if (user === undefined) return { status: 401, message: 'Unauthorized' };
      const verdict = await authorize(user, request.method ?? 'GET', path);
      return verdict.allowed ? undefined : { status: 403, message: verdict.message };
    } catch (error) {
      logger.error({ err: error, path }, 'Unable to authorize a request');
      return { status: 500, message: `Authorization error: ${error instanceof Error ? error.message : String(error)}` };
    }
  };

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort(new Error('the client has gone')));
    const signal = AbortSignal.any([gone.signal, lifetime.signal]);
    const { path, query } = split(request.url ?? '/');
    try {
      const refused = await objection(request, path);
      if (refused) return sendText(response, refused.status, refused.message);
      await answer(endpoints, { method: request.method ?? 'GET', path, query, response, signal });
    } catch (error) {
      if (signal.aborted) return void response.destroy();
      const { status, message } = error instanceof LogRequestError ? error : failureOf(error);
      if (status >= 500) logger.warn({ err: error, path }, 'could not answer a request');
      // A stream that has begun breaks off, so that nobody takes it for whole.
      if (response.headersSent) response.destroy();
      else sendText(response, status, message);
    }
  };

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { path, query } = split(request.url ?? '/');
    const refused = await objection(request, path);
    if (refused) return refuse(socket, refused.status, refused.message);
    const [kind, ...rest] = path.slice(1).replace(/\/+$/, '').split('/').map(decodeURIComponent);
    if (kind !== 'exec' && kind !== 'attach' && kind !== 'portForward') return refuse(socket, 404, '404 page not found\n');
    const target = parseCommandPath(rest, kind !== 'portForward');
    if (target === undefined) return refuse(socket, 404, '404 page not found\n');
    try {
      const url = await streamingUrl(kind, target, query, { source: kubelet, runtime });
      await joinStreams(url, request, socket, head, lifetime.signal);
    } catch (error) {
      const { status, message } = failureOf(error);
      if (!socket.destroyed) refuse(socket, status, message);
    }
  };

  const server = createServer({
    cert: tls.cert,
    key: tls.key,
    ca: tls.clientCa,
    requestCert: true,
    // An unknown certificate is no error: its bearer is merely not known by it.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    requestTimeout: 0,
    headersTimeout: 30_000,
    keepAliveTimeout: 90_000,
  });
  server.on('request', (request, response) => void serve(request, response));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.on('close', () => upgraded.delete(socket));
    socket.on('error', (error) => logger.debug({ err: error }, 'an upgraded connection failed'));
    upgrade(request, socket, head).catch((error: unknown) => {
      logger.error({ err: error, path: request.url }, 'could not answer an upgrade');
      socket.destroy();
    });
  });
  server.on('tlsClientError', (error) => logger.debug({ err: error }, 'http: TLS handshake error'));

  const health = createHttpServer((request, response) => {
    if (split(request.url ?? '/').path === '/healthz') sendHealth(response, kubelet);
    else sendText(response, 404, '404 page not found\n');
  });

  const closeServer = (which: Server) =>
    new Promise<void>((resolve) => {
      if (!which.listening) return resolve();
      which.close(() => resolve());
      which.closeAllConnections();
    });

  return {
    async listen() {
      const healthzPort = options.healthzPort ?? 10248;
      const bound = await listenOn(server, options.port ?? 10250, options.address ?? '0.0.0.0');
      if (healthzPort !== 0) await listenOn(health, healthzPort, options.healthzAddress ?? '127.0.0.1');
      for (const which of [server, health]) which.on('error', (error) => logger.error({ err: error }, "the kubelet's server failed"));
      return { address: bound.address, port: bound.port };
    },
    async close() {
      lifetime.abort(new Error('the kubelet is shutting down'));
      exits.close();
      for (const socket of upgraded) socket.destroy();
      await Promise.all([closeServer(server), closeServer(health)]);
    },
  };
}

function split(url: string): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at < 0 ? { path: url, query: new URLSearchParams() } : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}
