/**
 * An HTTP/2 client that costs next to nothing, so that a benchmark on two cores measures the server: requests are bytes put together
 * beforehand, answers are counted frames, and of a body only the first bytes are looked at. Frames and HPACK as in RFC 9113 and 7541.
 */
import { connect, type TLSSocket } from 'node:tls';

export interface RawClientOptions {
  port: number;
  ca: string;
  cert: string;
  key: string;
}

/** What has come of a stream: its body's bytes and frames of lines so far. */
export type OnData = (chunk: Buffer) => void;

export interface RawClient {
  /** Resolves with the body's size; rejects where the answer is a Failure. */
  send(method: string, path: string, body?: Buffer, contentType?: string): Promise<number>;
  /** A GET that goes on; resolves when its headers are there. */
  follow(path: string, onData: OnData): Promise<void>;
  close(): void;
}

const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 1;
const endHeaders = 4;
const acknowledge = 1;
const frameHeaderBytes = 9;
/** As Go's transport has them. */
const streamWindow = 4 * 1024 * 1024;
const connectionWindow = 1024 * 1024 * 1024;
const initialConnectionWindow = 65_535;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(frameHeaderBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function integer(prefixBits: number, first: number, value: number): number[] {
  const limit = (1 << prefixBits) - 1;
  if (value < limit) return [first | value];
  const out = [first | limit];
  let rest = value - limit;
  for (; rest >= 128; rest >>= 7) out.push((rest & 127) | 128);
  out.push(rest);
  return out;
}

const text = (value: string) => Buffer.concat([Buffer.from(integer(7, 0, Buffer.byteLength(value))), Buffer.from(value)]);
/** A header whose name is in the static table; `indexed` puts it into the dynamic one. */
const header = (nameIndex: number, value: string, indexed = false) =>
  Buffer.concat([Buffer.from(indexed ? integer(6, 0x40, nameIndex) : integer(4, 0, nameIndex)), text(value)]);
const names = { authority: 1, path: 4, accept: 19, contentLength: 28, contentType: 31, userAgent: 58 } as const;
const literalMethods = new Map([
  ['GET', Buffer.from([0x82])],
  ['POST', Buffer.from([0x83])],
]);
const methodOf = (method: string) => literalMethods.get(method) ?? header(2, method);
const https = Buffer.from([0x87]);
/** :authority, accept and user-agent, which the first request has put into the dynamic table. Pseudo-headers come first. */
const known = Buffer.from([0x80 | 64, 0x80 | 63, 0x80 | 62]);

interface Exchange {
  bytes: number;
  failure: string | undefined;
  unacknowledged: number;
  onHeaders: (() => void) | undefined;
  onData: OnData | undefined;
  resolve(bytes: number): void;
  reject(error: Error): void;
}

export async function openRawClient({ port, ca, cert, key }: RawClientOptions): Promise<RawClient> {
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const made: TLSSocket = connect({ host: '127.0.0.1', port, ca, cert, key, ALPNProtocols: ['h2'] }, () => resolve(made));
    made.on('error', reject);
  });
  socket.setNoDelay(true);
  const exchanges = new Map<number, Exchange>();
  let nextStream = 1;
  let unacknowledged = 0;

  const request = (head: Buffer, body: Buffer | undefined, given: Partial<Exchange> = {}): Promise<number> => {
    const id = nextStream;
    nextStream += 2;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    exchanges.set(id, {
      bytes: 0,
      failure: undefined,
      unacknowledged: 0,
      onHeaders: undefined,
      onData: undefined,
      resolve,
      reject,
      ...given,
    });
    const headers = frame(frameType.headers, endHeaders | (body === undefined ? endStream : 0), id, head);
    socket.write(body === undefined ? headers : Buffer.concat([headers, frame(frameType.data, endStream, id, body)]));
    return promise;
  };

  const settle = (id: number, exchange: Exchange) => {
    exchanges.delete(id);
    if (exchange.failure === undefined) exchange.resolve(exchange.bytes);
    else exchange.reject(new Error(exchange.failure));
  };

  const onBody = (id: number, chunk: Buffer, first: boolean) => {
    const exchange = exchanges.get(id);
    unacknowledged += chunk.length;
    if (unacknowledged > connectionWindow / 4) {
      socket.write(frame(frameType.windowUpdate, 0, 0, uint32(unacknowledged)));
      unacknowledged = 0;
    }
    if (exchange === undefined) return;
    if (first && exchange.bytes === 0 && chunk.subarray(0, 100).includes('"status":"Failure"')) exchange.failure = chunk.toString();
    exchange.bytes += chunk.length;
    exchange.unacknowledged += chunk.length;
    if (exchange.unacknowledged > streamWindow / 4) {
      socket.write(frame(frameType.windowUpdate, 0, id, uint32(exchange.unacknowledged)));
      exchange.unacknowledged = 0;
    }
    exchange.onData?.(chunk);
  };

  const onFrameEnd = (type: number, flags: number, id: number, payload: Buffer) => {
    const exchange = exchanges.get(id);
    if (type === frameType.headers) exchange?.onHeaders?.();
    if ((type === frameType.headers || type === frameType.data) && flags & endStream && exchange) settle(id, exchange);
    else if (type === frameType.reset) exchange?.reject(new Error(`the server reset a stream: ${payload.readUInt32BE(0)}`));
    else if (type === frameType.settings && !(flags & acknowledge))
      socket.write(frame(frameType.settings, acknowledge, 0, Buffer.alloc(0)));
    else if (type === frameType.ping && !(flags & acknowledge)) socket.write(frame(frameType.ping, acknowledge, 0, payload));
  };

  /** A frame's header and, of control frames, its payload, as they come in pieces. */
  let pending: Buffer = Buffer.alloc(0);
  let current: { type: number; flags: number; id: number; left: number; started: boolean } | undefined;
  socket.on('data', (received: Buffer) => {
    const chunk = pending.length === 0 ? received : Buffer.concat([pending, received]);
    pending = Buffer.alloc(0);
    let at = 0;
    while (at < chunk.length || current?.left === 0) {
      if (current === undefined) {
        if (chunk.length - at < frameHeaderBytes) break;
        const type = chunk[at + 3] ?? 0;
        const length = chunk.readUIntBE(at, 3);
        // Only bodies are taken in pieces.
        if (type !== frameType.data && chunk.length - at < frameHeaderBytes + length) break;
        current = { type, flags: chunk[at + 4] ?? 0, id: chunk.readUInt32BE(at + 5), left: length, started: false };
        at += frameHeaderBytes;
      }
      const payload = chunk.subarray(at, at + current.left);
      if (current.type === frameType.data && payload.length > 0) onBody(current.id, payload, !current.started);
      current.started = true;
      current.left -= payload.length;
      at += payload.length;
      if (current.left > 0) break;
      onFrameEnd(current.type, current.flags, current.id, payload);
      current = undefined;
    }
    if (at < chunk.length) pending = chunk.subarray(at);
  });
  socket.on('close', () => {
    for (const exchange of exchanges.values()) exchange.reject(new Error('the connection has ended'));
  });

  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(2, 0); // SETTINGS_ENABLE_PUSH: 0
  settings.writeUInt16BE(4, 6); // SETTINGS_INITIAL_WINDOW_SIZE
  settings.writeUInt32BE(streamWindow, 8);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(frame(frameType.settings, 0, 0, settings));
  socket.write(frame(frameType.windowUpdate, 0, 0, uint32(connectionWindow - initialConnectionWindow)));
  await request(
    Buffer.concat([
      methodOf('GET'),
      https,
      header(names.path, '/livez'),
      header(names.authority, `127.0.0.1:${port}`, true),
      header(names.accept, 'application/json', true),
      header(names.userAgent, 'k8ts-bench/1.0', true),
    ]),
    undefined,
  );
  const headOf = (method: string, path: string, ...more: Buffer[]) =>
    Buffer.concat([methodOf(method), https, header(names.path, path), known, ...more]);

  return {
    send(method, path, body, contentType = 'application/json') {
      if (body === undefined) return request(headOf(method, path), undefined);
      const more = [header(names.contentType, contentType), header(names.contentLength, String(body.length))];
      return request(headOf(method, path, ...more), body);
    },
    follow: (path, onData) =>
      new Promise((resolve, reject) => {
        request(headOf('GET', path), undefined, { onHeaders: resolve, onData }).catch(reject);
      }),
    close: () => socket.destroy(),
  };
}
