import { Duplex } from 'node:stream';
import { constants, createDeflate, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { headerDictionary } from './dictionary.ts';
import { encodeFrame, type Frame, readFrames, SpdyProtocolError } from './frames.ts';
import { encodeBlock, type HeaderBlock, headerDeflater, headerInflater } from './header-block.ts';
import { spdySession } from './session.ts';

type Sent = Exclude<Frame, { type: 'UNKNOWN' }>;

async function framesOf(...chunks: Buffer[]): Promise<Frame[]> {
  const out: Frame[] = [];
  for await (const frame of readFrames(chunks)) out.push(frame);
  return out;
}

test('the dictionary is that of SPDY/3', () => {
  expect(headerDictionary.length).toBe(1423);
  // zlib's header names a dictionary by its Adler-32.
  expect(deflateSync('', { dictionary: headerDictionary }).readUInt32BE(2)).toBe(0xe3c6a7c2);
});

const frames: Sent[] = [
  { type: 'SYN_STREAM', streamId: 1, associatedTo: 0, priority: 3, fin: false, unidirectional: true, block: Buffer.from('block') },
  { type: 'SYN_REPLY', streamId: 1, fin: true, block: Buffer.from('b') },
  { type: 'RST_STREAM', streamId: 3, status: 5 },
  { type: 'SETTINGS', clear: true, settings: [{ id: 7, flags: 1, value: 65536 }] },
  { type: 'PING', id: 0xffffffff },
  { type: 'GOAWAY', lastStreamId: 9, status: 1 },
  { type: 'HEADERS', streamId: 5, fin: false, block: Buffer.alloc(0) },
  { type: 'WINDOW_UPDATE', streamId: 5, delta: 0x7fffffff },
  { type: 'DATA', streamId: 7, fin: true, data: Buffer.from('bytes') },
  { type: 'DATA', streamId: 7, fin: false, data: Buffer.alloc(70_000, 1) },
];

test('frames come out as they went in, however the connection cuts them', async () => {
  const bytes = Buffer.concat(frames.map(encodeFrame));
  expect(await framesOf(bytes)).toEqual(frames);
  expect(await framesOf(...Array.from(bytes.subarray(0, 200), (b) => Buffer.from([b])), bytes.subarray(200))).toEqual(frames);
});

test('bytes on the wire are those of the specification', async () => {
  expect(encodeFrame({ type: 'PING', id: 2 }).toString('hex')).toBe('800300060000000400000002');
  expect(encodeFrame({ type: 'DATA', streamId: 1, fin: true, data: Buffer.from('x') }).toString('hex')).toBe('000000010100000178');
  expect(await framesOf(Buffer.from('8003000b00000001ff', 'hex'))).toEqual([{ type: 'UNKNOWN', code: 11 }]);
});

test.each([
  ['another version', '800200060000000400000002'],
  ['a frame that is too short', '800300060000000100'],
  ['settings that are fewer than they say', '800300040000000400000002'],
])('%s breaks the protocol', async (_, hex) => {
  await expect(framesOf(Buffer.from(hex, 'hex'))).rejects.toThrow(SpdyProtocolError);
});

const headers: HeaderBlock[] = [
  new Map([['streamtype', ['error']]]),
  new Map(),
  new Map([
    ['port', ['8080']],
    ['values', ['a', 'b']],
  ]),
];

test('header blocks inflate as they were deflated, one after the other', async () => {
  const deflate = headerDeflater();
  const inflater = headerInflater();
  for (const block of headers) expect(await inflater.inflate(deflate(block))).toEqual(block);
  inflater.close();
});

test("header blocks that are compressed with the dictionary, as Go's are, can be read", async () => {
  const zlib = createDeflate({ dictionary: headerDictionary, flush: constants.Z_SYNC_FLUSH, level: 9 });
  const inflater = headerInflater();
  for (const block of headers) {
    const compressed = await new Promise<Buffer>((resolve) => {
      zlib.once('data', resolve);
      zlib.write(encodeBlock(block));
    });
    expect(await inflater.inflate(compressed)).toEqual(block);
  }
  inflater.close();
});

/** The server's end of a session's connection: what it has received, and a way to answer. */
function connection() {
  const received: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk, _, done) {
      received.push(chunk);
      done();
    },
  });
  return { socket, sent: () => framesOf(...received), answer: (frame: Sent) => socket.push(encodeFrame(frame)) };
}

test('a session opens streams, passes data both ways, answers pings, and ends its streams with the connection', async () => {
  const { socket, sent, answer } = connection();
  const session = spdySession(socket, Buffer.alloc(0));
  const seen: string[] = [];
  const stdin = session.open(new Map([['streamtype', ['stdin']]]), { end: () => void seen.push('stdin ended') });
  const stdout = session.open(new Map([['streamtype', ['stdout']]]), {
    data: (bytes) => void seen.push(bytes.toString()),
    end: () => void seen.push('stdout ended'),
  });
  const block = headerDeflater()(new Map());
  answer({ type: 'SYN_REPLY', streamId: 1, fin: false, block });
  expect(await stdin.replied).toEqual(new Map());
  await stdin.write(Buffer.from('in'));
  await stdin.end();
  answer({ type: 'PING', id: 2 });
  answer({ type: 'DATA', streamId: stdout.id, fin: false, data: Buffer.from('out') });
  answer({ type: 'RST_STREAM', streamId: stdin.id, status: 5 });
  socket.push(null);
  await session.closed;
  expect(seen).toEqual(['out', 'stdin ended', 'stdout ended']);
  await expect(stdout.replied).rejects.toThrow('the server has closed the stream');
  expect(await sent()).toEqual([
    expect.objectContaining({ type: 'SYN_STREAM', streamId: 1 }),
    expect.objectContaining({ type: 'SYN_STREAM', streamId: 3 }),
    { type: 'DATA', streamId: 1, fin: false, data: Buffer.from('in') },
    { type: 'DATA', streamId: 1, fin: true, data: Buffer.alloc(0) },
    { type: 'PING', id: 2 },
  ]);
});

test('a peer that speaks something else ends the session with an error', async () => {
  const { socket } = connection();
  const session = spdySession(socket, Buffer.from('800200060000000400000002', 'hex'));
  await expect(session.closed).rejects.toThrow('unsupported SPDY version 2');
  expect(socket.destroyed).toBe(true);
});
