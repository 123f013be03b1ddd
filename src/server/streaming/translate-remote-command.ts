/**
 * Between a client that speaks WebSocket `v5.channel.k8s.io` and a kubelet that speaks SPDY/3.1 (KEP-4006): each message of the
 * one carries a channel's number before its bytes, the other has a stream for each.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { errors, type Status } from '../../api/index.ts';
import { type SpdyStream, type StreamHandler, spdySession } from './spdy/session.ts';
import { readMessages, sendMessage } from './websocket.ts';

export const remoteCommandV5 = 'v5.channel.k8s.io';

/** What a remote command's streams are, and the channels that stand for them. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
/** Followed by a channel's number: the sender sends no more on it. */
const closeChannel = 255;

export interface RemoteStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Tells a command's end on the error channel, and closes. */
export async function sendStatus(webSocket: WebSocket, status: Status): Promise<void> {
  await sendMessage(webSocket, Buffer.from([channels.error]), Buffer.from(JSON.stringify(status)));
  webSocket.resume(); // the client's part of the closing handshake is to be read
  webSocket.close(1000);
}

/** Resolves when the command is over and both connections are closed. */
export async function translateRemoteCommand(
  webSocket: WebSocket,
  backend: { socket: Duplex; head: Buffer },
  streams: RemoteStreams,
  signal: AbortSignal,
): Promise<void> {
  const session = spdySession(backend.socket, backend.head);
  const statusTold = Promise.withResolvers<boolean>();
  const gone = new Promise<void>((resolve) => webSocket.once('close', () => resolve()));
  webSocket.once('close', () => session.close());
  const stop = () => webSocket.terminate();
  signal.addEventListener('abort', stop, { once: true });

  const open = (streamType: keyof typeof channels, handler: StreamHandler = {}) =>
    session.open(new Map([['streamtype', [streamType]]]), handler);
  const output = (channel: number): StreamHandler => ({ data: (bytes) => sendMessage(webSocket, Buffer.from([channel]), bytes) });
  const status: Buffer[] = [];
  // In the order in which upstream's clients open them.
  const opened: SpdyStream[] = [
    open('error', {
      data: (bytes) => void status.push(bytes),
      async end() {
        // Whatever the command has written came before.
        if (status.length > 0) await sendMessage(webSocket, Buffer.from([channels.error]), ...status);
        statusTold.resolve(status.length > 0);
      },
    }),
  ];
  const stdin = streams.stdin ? open('stdin') : undefined;
  if (streams.stdout) opened.push(open('stdout', output(channels.stdout)));
  if (streams.stderr && !streams.tty) opened.push(open('stderr', output(channels.stderr)));
  const resize = streams.tty ? open('resize') : undefined;
  for (const stream of [stdin, resize]) if (stream) opened.push(stream);

  const inputs: Record<number, SpdyStream | undefined> = { [channels.stdin]: stdin, [channels.resize]: resize };
  // A client may send before the kubelet has taken the streams.
  const ready = Promise.all(opened.map((s) => s.replied)).then(
    () => true,
    () => false, // the connection has ended, which `closed` tells
  );
  readMessages(webSocket, async (message) => {
    if (!(await ready)) return;
    const channel = message[0];
    if (channel === closeChannel) await inputs[message[1] ?? -1]?.end();
    else if (channel !== undefined && message.length > 1) await inputs[channel]?.write(message.subarray(1));
  });

  let failure: unknown;
  const closed = session.closed.catch((error: unknown) => {
    failure = error;
  });
  try {
    const told = await Promise.race([statusTold.promise, closed.then(() => statusTold.promise), gone.then(() => true)]);
    if (!told) {
      const why = failure instanceof Error ? failure.message : 'unexpected EOF';
      await sendStatus(webSocket, errors.internal(why).status);
    }
    webSocket.close(1000);
    await gone;
  } finally {
    signal.removeEventListener('abort', stop);
    session.close();
    await closed;
  }
}
