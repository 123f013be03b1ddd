/** The HTTPS socket that kubelets answer on. HTTP/1.1, for its upgrades. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import type { Logger } from 'pino';

export interface SecureServerOptions {
  tls: Pick<SecureContextOptions, 'cert' | 'key' | 'ca'> & Pick<TlsOptions, 'SNICallback'>;
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  logger: Logger;
}

export interface SecureServer {
  listen(port: number, address: string): Promise<AddressInfo>;
  close(): Promise<void>;
}

export function listenOn(server: Server, port: number, address: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo); // a TCP server's address
    });
  });
}

export const closeServer = (server: Server) =>
  new Promise<void>((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => resolve());
    server.closeAllConnections();
  });

export function secureServer({ tls, serve, upgrade, logger }: SecureServerOptions): SecureServer {
  const upgraded = new Set<Duplex>();
  const server = createServer({
    ...tls,
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
  return {
    async listen(port, address) {
      const bound = await listenOn(server, port, address);
      server.on('error', (error) => logger.error({ err: error }, "the kubelet's server failed"));
      return bound;
    },
    async close() {
      for (const socket of upgraded) socket.destroy();
      await closeServer(server);
    },
  };
}
