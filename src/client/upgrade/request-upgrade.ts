/** A request that asks to speak another protocol (WebSocket, SPDY) on its connection. */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';

export interface UpgradeTls {
  ca?: string | Buffer | (string | Buffer)[];
  cert?: string | Buffer;
  key?: string | Buffer;
  rejectUnauthorized?: boolean;
  servername?: string;
  /** Whether the server's certificate is for its name; default: as Node has it. */
  checkServerIdentity?: ConnectionOptions['checkServerIdentity'];
  /** Default: the system's. */
  lookup?: LookupFunction;
}

export interface UpgradeRequest {
  url: URL;
  /** Default GET. */
  method?: string;
  /** With `connection` and `upgrade` among them; a list stands for a repeated header. */
  headers: OutgoingHttpHeaders;
  tls?: UpgradeTls;
  /** How long connecting may take; default 30 s, as upstream's dialers. */
  dialTimeoutMs?: number;
  signal?: AbortSignal;
}

/** Either the connection, now the caller's, or the server's answer that refuses. */
export type UpgradeResult =
  | { upgraded: true; response: IncomingMessage; socket: Duplex; head: Buffer }
  | { upgraded: false; response: IncomingMessage };

/** Rejects with Node's error where there is no answer; see dialErrorMessage. */
export function requestUpgrade({
  url,
  method = 'GET',
  headers,
  tls = {},
  dialTimeoutMs = 30_000,
  signal,
}: UpgradeRequest): Promise<UpgradeResult> {
  return new Promise((resolve, reject) => {
    // Said, so that nothing (a chunked body's end) follows the headers but the new protocol.
    const bodiless = method === 'GET' || method === 'HEAD' ? {} : { 'content-length': 0 };
    const options: RequestOptions = {
      method,
      headers: { ...bodiless, ...headers },
      agent: false,
      ...(signal === undefined ? {} : { signal }),
    };
    const request = url.protocol === 'https:' ? httpsRequest(url, { ...options, ...tls }) : httpRequest(url, options);
    limitDialing(request, dialTimeoutMs);
    request.on('upgrade', (response, socket, head) => resolve({ upgraded: true, response, socket, head }));
    request.on('response', (response) => resolve({ upgraded: false, response }));
    request.on('error', reject);
    request.end();
  });
}

/** Fails a request with ETIMEDOUT that has no connection in time. */
export function limitDialing(request: ReturnType<typeof httpRequest>, timeoutMs: number): void {
  request.on('socket', (socket) => {
    if (!socket.connecting) return;
    const onTimeout = () => socket.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT', syscall: 'connect' }));
    socket.setTimeout(timeoutMs, onTimeout);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('timeout', onTimeout);
    });
  });
}
