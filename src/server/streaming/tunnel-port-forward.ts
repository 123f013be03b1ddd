/** SPDY's bytes within binary WebSocket messages (KEP-4006's port forwarding): unwrapped towards the kubelet, wrapped back. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { readMessages, sendMessage } from './websocket.ts';

export const tunnelledPortForward = 'SPDY/3.1+portforward.k8s.io';
export const portForwardV1 = 'portforward.k8s.io';

/** Resolves when both connections are closed. */
export async function tunnelPortForward(
  webSocket: WebSocket,
  backend: { socket: Duplex; head: Buffer },
  signal: AbortSignal,
): Promise<void> {
  const { socket, head } = backend;
  const stop = () => webSocket.terminate();
  signal.addEventListener('abort', stop, { once: true });
  const gone = new Promise<void>((resolve) => webSocket.once('close', () => resolve()));
  webSocket.once('close', () => socket.destroy());
  socket.on('error', () => undefined); // reading tells it
  readMessages(webSocket, (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve())));
  try {
    if (head.length > 0) await sendMessage(webSocket, head);
    for await (const bytes of socket) await sendMessage(webSocket, bytes);
    webSocket.close(1000);
  } catch {
    // The kubelet's connection broke off: the client sees its own do so.
    webSocket.terminate();
  } finally {
    await gone;
    signal.removeEventListener('abort', stop);
  }
}
