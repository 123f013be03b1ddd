import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** So that a peer that has silently gone is found out. */
const keepAliveMs = 30_000;

function keepAlive(side: Duplex): void {
  if ('setKeepAlive' in side) (side as Socket).setKeepAlive(true, keepAliveMs); // only sockets have it
}

/** Ends `to` when `from` has closed: in order, where `from` came to its end, else at once. */
function endWith(from: Duplex, to: Duplex): void {
  from.on('error', () => to.destroy()); // whoever reads the other side learns it by its end; there is nobody else to tell
  from.once('close', () => {
    if (from.readableEnded && !to.destroyed) to.end(() => to.destroy());
    else to.destroy();
  });
}

/**
 * Hands bytes to and fro between two connections, with back-pressure, until either ends; then both are closed. Resolves when they are.
 * `heads` are bytes that were read already: `a`'s go to `b`, `b`'s to `a`.
 */
export function tunnel(a: Duplex, b: Duplex, heads: { a?: Buffer; b?: Buffer } = {}, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const abort = () => {
      a.destroy();
      b.destroy();
    };
    const closed = () => {
      if (--open > 0) return;
      signal?.removeEventListener('abort', abort);
      resolve();
    };
    for (const side of [a, b]) {
      keepAlive(side);
      if (side.closed) closed();
      else side.once('close', closed);
    }
    endWith(a, b);
    endWith(b, a);
    if (a.destroyed || b.destroyed || signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (heads.a?.length) b.write(heads.a);
    if (heads.b?.length) a.write(heads.b);
    a.pipe(b);
    b.pipe(a);
  });
}

/** The status line and headers of an HTTP/1.1 answer, for a connection that was taken from its server. */
export function responseHead(status: number, message: string, headers: readonly (readonly [string, string])[]): string {
  return `HTTP/1.1 ${status} ${message}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}
