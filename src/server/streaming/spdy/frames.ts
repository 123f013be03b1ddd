/**
 * SPDY/3.1's framing (https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/), as far as remote commands and port
 * forwarding need it: control frames as values, data frames as they are.
 */
import type { HeaderBlock } from './header-block.ts';

export type Frame =
  | { type: 'SYN_STREAM'; streamId: number; associatedTo: number; priority: number; fin: boolean; unidirectional: boolean; block: Buffer }
  | { type: 'SYN_REPLY'; streamId: number; fin: boolean; block: Buffer }
  | { type: 'RST_STREAM'; streamId: number; status: number }
  | { type: 'SETTINGS'; clear: boolean; settings: readonly { id: number; flags: number; value: number }[] }
  | { type: 'PING'; id: number }
  | { type: 'GOAWAY'; lastStreamId: number; status: number }
  | { type: 'HEADERS'; streamId: number; fin: boolean; block: Buffer }
  | { type: 'WINDOW_UPDATE'; streamId: number; delta: number }
  | { type: 'DATA'; streamId: number; fin: boolean; data: Buffer }
  /** Of a type that this codec does not know; to be ignored (2.2.1). */
  | { type: 'UNKNOWN'; code: number };

export type { HeaderBlock };

const codes = {
  SYN_STREAM: 1,
  SYN_REPLY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  HEADERS: 8,
  WINDOW_UPDATE: 9,
} as const;

const version = 3;
const finFlag = 1;
const unidirectionalFlag = 2;
const idMask = 0x7fffffff;
const headBytes = 8;

/** The peer does not speak SPDY/3.1. */
export class SpdyProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SpdyProtocolError';
  }
}

function control(type: keyof typeof codes, flags: number, ...body: (number | Buffer)[]): Buffer {
  const parts = body.map((part) => {
    if (typeof part !== 'number') return part;
    const word = Buffer.alloc(4);
    word.writeUInt32BE(part >>> 0);
    return word;
  });
  const payload = Buffer.concat(parts);
  const head = Buffer.alloc(headBytes);
  head.writeUInt16BE(0x8000 | version, 0);
  head.writeUInt16BE(codes[type], 2);
  head.writeUInt32BE(((flags << 24) | payload.length) >>> 0, 4);
  return Buffer.concat([head, payload]);
}

export function encodeFrame(frame: Exclude<Frame, { type: 'UNKNOWN' }>): Buffer {
  const fin = 'fin' in frame && frame.fin ? finFlag : 0;
  switch (frame.type) {
    case 'SYN_STREAM': {
      const flags = fin | (frame.unidirectional ? unidirectionalFlag : 0);
      const priority = Buffer.from([frame.priority << 5, 0]);
      return control('SYN_STREAM', flags, frame.streamId, frame.associatedTo, priority, frame.block);
    }
    case 'SYN_REPLY':
    case 'HEADERS':
      return control(frame.type, fin, frame.streamId, frame.block);
    case 'RST_STREAM':
      return control('RST_STREAM', 0, frame.streamId, frame.status);
    case 'SETTINGS': {
      const entries = frame.settings.flatMap(({ id, flags, value }) => [(flags << 24) | id, value]);
      return control('SETTINGS', frame.clear ? 1 : 0, frame.settings.length, ...entries);
    }
    case 'PING':
      return control('PING', 0, frame.id);
    case 'GOAWAY':
      return control('GOAWAY', 0, frame.lastStreamId, frame.status);
    case 'WINDOW_UPDATE':
      return control('WINDOW_UPDATE', 0, frame.streamId, frame.delta);
    case 'DATA': {
      const head = Buffer.alloc(headBytes);
      head.writeUInt32BE(frame.streamId & idMask, 0);
      head.writeUInt32BE(((fin << 24) | frame.data.length) >>> 0, 4);
      return Buffer.concat([head, frame.data]);
    }
  }
}

function decode(head: Buffer, payload: Buffer): Frame {
  const flags = head.readUInt8(4);
  const fin = (flags & finFlag) !== 0;
  if ((head.readUInt8(0) & 0x80) === 0) return { type: 'DATA', streamId: head.readUInt32BE(0), fin, data: payload };
  const spoken = head.readUInt16BE(0) & 0x7fff;
  if (spoken !== version) throw new SpdyProtocolError(`unsupported SPDY version ${spoken}`);
  const code = head.readUInt16BE(2);
  const need = (bytes: number) => {
    if (payload.length < bytes) throw new SpdyProtocolError(`a SPDY control frame of type ${code} is too short`);
  };
  const id = () => payload.readUInt32BE(0) & idMask;
  switch (code) {
    case codes.SYN_STREAM:
      need(10);
      return {
        type: 'SYN_STREAM',
        streamId: id(),
        associatedTo: payload.readUInt32BE(4) & idMask,
        priority: payload.readUInt8(8) >> 5,
        fin,
        unidirectional: (flags & unidirectionalFlag) !== 0,
        block: payload.subarray(10),
      };
    case codes.SYN_REPLY:
    case codes.HEADERS:
      need(4);
      return { type: code === codes.SYN_REPLY ? 'SYN_REPLY' : 'HEADERS', streamId: id(), fin, block: payload.subarray(4) };
    case codes.RST_STREAM:
      need(8);
      return { type: 'RST_STREAM', streamId: id(), status: payload.readUInt32BE(4) };
    case codes.SETTINGS: {
      need(4);
      const count = payload.readUInt32BE(0);
      if (payload.length !== 4 + count * 8) throw new SpdyProtocolError('a SPDY SETTINGS frame has a wrong length');
      const settings = Array.from({ length: count }, (_, i) => {
        const word = payload.readUInt32BE(4 + i * 8);
        return { id: word & 0xffffff, flags: word >>> 24, value: payload.readUInt32BE(8 + i * 8) };
      });
      return { type: 'SETTINGS', clear: (flags & 1) !== 0, settings };
    }
    case codes.PING:
      need(4);
      return { type: 'PING', id: payload.readUInt32BE(0) };
    case codes.GOAWAY:
      need(8);
      return { type: 'GOAWAY', lastStreamId: id(), status: payload.readUInt32BE(4) };
    case codes.WINDOW_UPDATE:
      need(8);
      return { type: 'WINDOW_UPDATE', streamId: id(), delta: payload.readUInt32BE(4) & idMask };
    default:
      return { type: 'UNKNOWN', code };
  }
}

/** The frames in a byte stream, however it is cut. A stream that ends within a frame ends without it. */
export async function* readFrames(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Frame> {
  let parts: Buffer[] = [];
  let size = 0;
  let needed = headBytes;
  for await (const chunk of source) {
    parts.push(chunk);
    size += chunk.length;
    if (size < needed) continue;
    let rest = parts.length === 1 ? chunk : Buffer.concat(parts, size);
    while (true) {
      needed = headBytes;
      if (rest.length < headBytes) break;
      needed += rest.readUIntBE(5, 3);
      if (rest.length < needed) break;
      yield decode(rest.subarray(0, headBytes), rest.subarray(headBytes, needed));
      rest = rest.subarray(needed);
    }
    parts = rest.length > 0 ? [rest] : [];
    size = rest.length;
  }
}
