/** The way back to a client: what answering needs of HTTP/2 and HTTP/1.1 alike. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Writable } from 'node:stream';

export type ReplyHeaders = Record<string, string | number | string[]>;

/** Called with an error where the chunk has not been, or not all, written. */
export type Written = (error?: Error | null) => void;

export interface Reply {
  /** Status and headers (lower-case names), sent with the first bytes or, `atOnce`, alone. */
  head(status: number, headers: ReplyHeaders, atOnce?: boolean): void;
  /** Whether there is room for more; where not, `drained` tells when. `written`: the chunk is out, and may be used for other things. */
  write(chunk: Uint8Array, written?: Written): boolean;
  drained(signal: AbortSignal): Promise<unknown>;
  end(chunk?: Uint8Array): void;
  /** On HTTP/2: the connection takes no more requests, and ends with those that are open. */
  goAway?(): void;
  /** Breaks it off: the client sees a broken answer rather than a wrong one. */
  destroy(): void;
}

/** What HTTP/2 has no place for (RFC 9113, 8.2.2). */
const connectionHeaders = ['connection', 'http2-settings', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade'];

const drained = (stream: Writable, signal: AbortSignal) => once(stream, 'drain', { signal });

const [nodeMajor = 0, nodeMinor = 0] = process.versions.node.split('.').map(Number);

/** Names and values in turn, which Node takes as they are since 24.7: half the work of the object that it makes of any other. */
const takesRawHeaders = nodeMajor > 24 || (nodeMajor === 24 && nodeMinor >= 7);

function rawHeaders(status: number, headers: ReplyHeaders): string[] {
  const raw = [':status', String(status)];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || connectionHeaders.includes(name)) continue;
    if (Array.isArray(value)) for (const each of value) raw.push(name, each);
    else raw.push(name, String(value));
  }
  return raw;
}

function headersObject(status: number, headers: ReplyHeaders): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = { ':status': status };
  for (const name in headers) if (!connectionHeaders.includes(name)) out[name] = headers[name];
  return out;
}

const outgoing = takesRawHeaders ? rawHeaders : headersObject;

/** On a stream of Node's http2 itself: its compatibility layer takes a fifth of the time of a small GET. */
export function http2Reply(stream: ServerHttp2Stream, method: string): Reply {
  /** HEAD and some statuses have no body. */
  const hasBody = () => method !== 'HEAD' && stream.writable;
  return {
    head(status, headers) {
      stream.respond(outgoing(status, headers), method === 'HEAD' ? { endStream: true } : undefined);
    },
    write(chunk, written) {
      if (hasBody()) return stream.write(chunk, written);
      written?.();
      return true;
    },
    drained: (signal) => drained(stream, signal),
    end(chunk) {
      if (chunk !== undefined && hasBody()) stream.end(chunk);
      else stream.end();
    },
    goAway: () => stream.session?.close(),
    destroy: () => stream.destroy(),
  };
}

/** Less than this is written at once in any case. */
const smallBytes = 16 * 1024;

/**
 * The last byte of a long answer waits until the rest is out. With it the client has all, and may send its next request before this
 * side knows that its write is done; Node takes that for a flood of requests, stops its parser, and fails on the request's body
 * (`HPE_PAUSED`), which ends the connection.
 */
export function http1Reply(response: ServerResponse): Reply {
  /** Of the body whose length has been told. */
  let leftBytes = Number.POSITIVE_INFINITY;
  /** Writes all but the last byte, and that once there is room again. Answers whether there was. `gone`: there never will be. */
  const inTwo = (chunk: Uint8Array, last: (byte: Uint8Array) => void, gone?: Written): boolean => {
    const byte = chunk.subarray(-1);
    const hasRoom = response.write(chunk.subarray(0, -1));
    if (hasRoom) {
      last(byte);
      return true;
    }
    const onClose = () => gone?.(new Error('the client has gone'));
    if (response.destroyed) process.nextTick(onClose);
    else {
      response.once('close', onClose);
      response.once('drain', () => {
        response.off('close', onClose);
        last(byte);
      });
    }
    return false;
  };
  return {
    head(status, headers, atOnce) {
      const length = headers['content-length'];
      if (length !== undefined) leftBytes = Number(length);
      response.writeHead(status, headers);
      if (atOnce) response.flushHeaders();
    },
    write(chunk, written) {
      leftBytes -= chunk.length;
      if (leftBytes > 0 || chunk.length < smallBytes) return response.write(chunk, written);
      return inTwo(chunk, (byte) => response.write(byte, written), written);
    },
    drained: (signal) => drained(response, signal),
    end(chunk) {
      if (chunk !== undefined && chunk.length >= smallBytes) inTwo(chunk, (byte) => response.end(byte));
      else if (response.writableNeedDrain) response.once('drain', () => (chunk === undefined ? response.end() : response.end(chunk)));
      else if (chunk === undefined) response.end();
      else response.end(chunk);
    },
    destroy: () => void response.destroy(),
  };
}
