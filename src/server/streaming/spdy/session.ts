/**
 * The client's end of a SPDY/3.1 connection, as remote commands need it: it opens streams, the server answers.
 *
 * Windows are not kept: the servers at the other end (moby/spdystream in every kubelet and container runtime) neither honour nor
 * send WINDOW_UPDATE, so that a sender that waits for one stalls after 64 KiB. Back-pressure is the connection's own: the next frame
 * is read when the last one was taken.
 */
import type { Duplex } from 'node:stream';
import { encodeFrame, type Frame, readFrames } from './frames.ts';
import { type HeaderBlock, headerDeflater, headerInflater } from './header-block.ts';

export interface StreamHandler {
  /** Bytes from the server, in order; the next frame of any stream waits for it. */
  data?(bytes: Buffer): Promise<void> | void;
  /** The server sends no more: it has ended or reset the stream, or the connection has gone. */
  end?(): Promise<void> | void;
}

export interface SpdyStream {
  readonly id: number;
  /** The server's headers, once it has taken the stream. Rejects where it refuses. */
  readonly replied: Promise<HeaderBlock>;
  /** Resolves when there is room for more. Bytes for a stream that the server has reset are dropped. */
  write(bytes: Buffer): Promise<void>;
  /** No more bytes from this side. */
  end(): Promise<void>;
}

export interface SpdySession {
  open(headers: HeaderBlock, handler: StreamHandler): SpdyStream;
  /** Resolves when the connection is over. Rejects where the server broke the protocol or a handler failed. */
  readonly closed: Promise<void>;
  close(): void;
}

interface OpenStream {
  handler: StreamHandler;
  replied: PromiseWithResolvers<HeaderBlock>;
  /** The server takes no more. */
  reset: boolean;
}

export function spdySession(socket: Duplex, head: Buffer): SpdySession {
  const streams = new Map<number, OpenStream>();
  const deflate = headerDeflater();
  const inflater = headerInflater();
  let nextId = 1;

  const send = async (frame: Exclude<Frame, { type: 'UNKNOWN' }>) => {
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.write(encodeFrame(frame))) return;
    await roomIn(socket);
  };

  const finish = async (id: number) => {
    const stream = streams.get(id);
    if (stream === undefined || !streams.delete(id)) return;
    stream.replied.reject(new Error('the server has closed the stream'));
    await stream.handler.end?.();
  };

  const receive = async (frame: Frame) => {
    switch (frame.type) {
      case 'DATA':
        if (frame.data.length > 0) await streams.get(frame.streamId)?.handler.data?.(frame.data);
        break;
      case 'SYN_REPLY':
        streams.get(frame.streamId)?.replied.resolve(await inflater.inflate(frame.block));
        break;
      case 'HEADERS':
        // Trailing headers say nothing here, but they are part of the compressed stream.
        await inflater.inflate(frame.block);
        break;
      case 'SYN_STREAM':
        await inflater.inflate(frame.block);
        return send({ type: 'RST_STREAM', streamId: frame.streamId, status: 3 }); // REFUSED_STREAM
      case 'RST_STREAM': {
        const stream = streams.get(frame.streamId);
        if (stream) stream.reset = true;
        return finish(frame.streamId);
      }
      case 'PING':
        // Odd ones are answers to ours, and there are none.
        if (frame.id % 2 === 0) await send(frame);
        return;
      default:
        return;
    }
    if (frame.fin) await finish(frame.streamId);
  };

  const run = async () => {
    try {
      if (head.length > 0) socket.unshift(head);
      for await (const frame of readFrames(socket)) await receive(frame);
    } catch (error) {
      // A connection that breaks off is over like one that ends: who waits for a status sees that none came.
      if (!isConnectionError(error)) throw error;
    } finally {
      socket.destroy();
      inflater.close();
      for (const id of [...streams.keys()]) await finish(id);
    }
  };
  socket.on('error', () => undefined); // reading tells it

  return {
    closed: run(),
    close: () => void socket.destroy(),
    open(headers, handler) {
      const id = nextId;
      nextId += 2;
      const stream: OpenStream = { handler, replied: Promise.withResolvers(), reset: false };
      stream.replied.promise.catch(() => undefined); // for who does not ask
      streams.set(id, stream);
      const block = deflate(headers);
      const opened = send({ type: 'SYN_STREAM', streamId: id, associatedTo: 0, priority: 0, fin: false, unidirectional: false, block });
      const write = async (data: Buffer, fin: boolean) => {
        await opened;
        if (!stream.reset) await send({ type: 'DATA', streamId: id, fin, data });
      };
      return { id, replied: stream.replied.promise, write: (bytes) => write(bytes, false), end: () => write(Buffer.alloc(0), true) };
    },
  };
}

/** Resolves when the connection takes bytes again, or has gone. */
function roomIn(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ERR_STREAM_DESTROYED' || /^E[A-Z]+$/.test(code) || code === 'ABORT_ERR';
}
