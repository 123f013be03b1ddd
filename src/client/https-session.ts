/**
 * HTTP/2 sessions to one server, shared by all requests: one connection carries as many streams as the server allows, a further
 * one is opened only when they are used up (each watch is a stream). Dead connections are found by pings while streams are open.
 */
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../time/index.ts';

/** As client-go: a ping after 30 s, and 15 s for its answer. */
const pingAfterMs = 30_000;
const pingTimeoutMs = 15_000;
const connectTimeoutMs = 30_000;

export interface Session {
  readonly http2: ClientHttp2Session;
  readonly closed: boolean;
  /** Streams in use. */
  streams: number;
  /** Tells the session that a stream has begun; the returned function tells that it has ended. */
  use(): () => void;
}

/** A TLS connection, and which protocol the server chose for it. */
export async function dial(server: URL, tls: ConnectionOptions, clock: Clock, signal?: AbortSignal): Promise<TLSSocket> {
  const socket = connectTls({
    ...tls,
    host: server.hostname.replace(/^\[|\]$/g, ''),
    port: Number(server.port || 443),
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  socket.setNoDelay(true);
  const result = Promise.withResolvers<void>();
  const timer = clock.setTimer(connectTimeoutMs, () => result.reject(new Error(`dial tcp ${server.host}: i/o timeout`)), {
    background: true,
  });
  const onAbort = () => result.reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('secureConnect', () => result.resolve());
  socket.once('error', (cause) => result.reject(connectionError(server, cause)));
  socket.once('close', () => result.reject(new Error(`connection to ${server.host} closed before it was secured`)));
  try {
    await result.promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

function connectionError(server: URL, cause: Error): Error {
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  const said: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    ENETUNREACH: 'connect: network is unreachable',
    EHOSTUNREACH: 'connect: no route to host',
  };
  return new Error(`dial tcp ${server.host}: ${(code && said[code]) ?? cause.message}`, { cause });
}

/** HTTP/2 over a connection on which the server chose `h2`; ready once the server has said how many streams it takes. */
export async function openSession(server: URL, socket: TLSSocket, clock: Clock): Promise<Session> {
  const http2 = connectHttp2(server, { createConnection: () => socket, settings: { enablePush: false, initialWindowSize: 4 << 20 } });
  // Streams report what goes wrong to their readers; without a listener the session's own 'error' would end the process.
  http2.on('error', () => undefined);
  const ready = Promise.withResolvers<void>();
  http2.once('connect', () => http2.setLocalWindowSize(16 << 20));
  http2.once('remoteSettings', () => ready.resolve());
  http2.once('close', () => ready.reject(new Error(`connection to ${server.host} closed before it was used`)));
  let timer: Timer | undefined;
  const session: Session = {
    http2,
    get closed() {
      return http2.closed || http2.destroyed;
    },
    streams: 0,
    use() {
      session.streams++;
      if (session.streams === 1) {
        http2.ref();
        arm();
      }
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        session.streams--;
        if (session.streams > 0) return;
        timer?.cancel();
        timer = undefined;
        // An idle connection keeps no process alive.
        if (!session.closed) http2.unref();
      };
    },
  };
  const arm = (): void => {
    timer = clock.setTimer(pingAfterMs, ping, { background: true });
  };
  const ping = (): void => {
    if (session.closed) return;
    timer = clock.setTimer(pingTimeoutMs, () => http2.destroy(new Error('http2: client connection lost'), constants.NGHTTP2_CANCEL), {
      background: true,
    });
    http2.ping((error) => {
      timer?.cancel();
      if (!error && session.streams > 0) arm();
    });
  };
  http2.once('close', () => timer?.cancel());
  await ready.promise;
  return session;
}

/** Whether another stream fits on the session. */
export function hasRoom(session: Session): boolean {
  return !session.closed && session.streams < (session.http2.remoteSettings?.maxConcurrentStreams ?? 100);
}
