/** The server's end of a WebSocket on a connection that asked for one. */
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import type { Upgrade } from '../exchange.ts';

/** Clients send some 32 KiB at a time. */
const maxMessageBytes = 4 * 1024 * 1024;

export const isWebSocket = ({ request }: Upgrade): boolean => /^websocket$/i.test(request.headers.upgrade ?? '');

/** The subprotocols that a client offers, without the one that carries its token. */
export function offeredProtocols({ request }: Upgrade): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((p) => p.trim())
    .filter((p) => p !== '' && !p.startsWith('base64url.bearer.authorization.k8s.io.'));
}

/** Answers the handshake; undefined where it was none (the client has been told). It is not read before somebody calls readMessages. */
export function acceptWebSocket({ request, socket, head }: Upgrade, protocol: string): Promise<WebSocket | undefined> {
  const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, handleProtocols: () => protocol });
  return new Promise((resolve) => {
    server.on('wsClientError', (error, refused) => {
      refused.end(`HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n${error.message}\n`);
      resolve(undefined);
    });
    server.handleUpgrade(request, socket, head, (webSocket) => {
      // Clients send at once; a message that nobody listens for would be lost.
      webSocket.pause();
      resolve(webSocket);
    });
  });
}

/** Sends one binary message; resolves when the connection has taken it, or is closed. */
export function sendMessage(webSocket: WebSocket, ...parts: Buffer[]): Promise<void> {
  if (webSocket.readyState !== WebSocket.OPEN) return Promise.resolve();
  const [first = Buffer.alloc(0)] = parts;
  const message = parts.length === 1 ? first : Buffer.concat(parts);
  // A failed send means that the connection has gone, which its close event tells.
  return new Promise((resolve) => webSocket.send(message, { binary: true }, () => resolve()));
}

export function bytesOf(message: RawData): Buffer {
  if (Buffer.isBuffer(message)) return message;
  return Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message);
}

/** Hands messages to `take`, one after the other; reads no more while it works. A message that it fails on closes the connection. */
export function readMessages(webSocket: WebSocket, take: (bytes: Buffer) => Promise<void>): void {
  let work = Promise.resolve();
  let waiting = 0;
  webSocket.on('message', (message) => {
    if (++waiting === 1) webSocket.pause();
    work = work
      .then(() => take(bytesOf(message)))
      .catch(() => webSocket.terminate())
      .then(() => {
        if (--waiting === 0) webSocket.resume();
      });
  });
  webSocket.on('error', () => webSocket.terminate());
  webSocket.resume();
}
