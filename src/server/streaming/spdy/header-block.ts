/** SPDY/3 header blocks: name and value pairs, and the zlib stream that each direction of a connection carries them in. */
import { constants, createInflate } from 'node:zlib';
import { headerDictionary } from './dictionary.ts';
import { SpdyProtocolError } from './frames.ts';

/** Lower-case names; several values of one name as a list. */
export type HeaderBlock = ReadonlyMap<string, readonly string[]>;

/** More than any header of remote commands; against a peer that sends a bomb. */
const maxBlockBytes = 64 * 1024;

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

export function encodeBlock(headers: HeaderBlock): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(headers.size);
  const pairs = [...headers].flatMap(([name, values]) => [string(name.toLowerCase()), string(values.join('\0'))]);
  return Buffer.concat([count, ...pairs]);
}

export function decodeBlock(block: Buffer): HeaderBlock {
  let at = 0;
  const take = (bytes: number) => {
    if (at + bytes > block.length) throw new SpdyProtocolError('a SPDY header block is too short');
    at += bytes;
    return block.subarray(at - bytes, at);
  };
  const text = () => take(take(4).readUInt32BE(0)).toString('utf8');
  const headers = new Map<string, string[]>();
  for (let left = take(4).readUInt32BE(0); left > 0; left--) headers.set(text(), text().split('\0'));
  return headers;
}

/** zlib's header of a stream without a dictionary: deflate, 32 KiB window, no compression. */
const zlibHeader = Buffer.from([0x78, 0x01]);
/** An empty stored block: where a reader (Go's) hands out what it has, rather than wait for the next block. */
const syncFlush = Buffer.from([0, 0, 0, 0xff, 0xff]);
const maxStoredBytes = 0xffff;

/**
 * Makes the compressed form in stored blocks: every inflater takes them, they need no state beside the stream's header, and the few
 * headers of a remote command (`streamtype: stdin`) would gain nothing from compression.
 */
export function headerDeflater(): (headers: HeaderBlock) => Buffer {
  let begun = false;
  return (headers) => {
    const block = encodeBlock(headers);
    const out: Buffer[] = begun ? [] : [zlibHeader];
    begun = true;
    for (let at = 0; at < block.length; at += maxStoredBytes) {
      const piece = block.subarray(at, at + maxStoredBytes);
      const head = Buffer.alloc(5); // BFINAL=0, BTYPE=00, then the length and its complement (RFC 1951, 3.2.4)
      head.writeUInt16LE(piece.length, 1);
      head.writeUInt16LE(~piece.length & 0xffff, 3);
      out.push(head, piece);
    }
    out.push(syncFlush);
    return Buffer.concat(out);
  };
}

export interface HeaderInflater {
  /** Blocks must be given in the order in which they came. */
  inflate(block: Buffer): Promise<HeaderBlock>;
  close(): void;
}

export function headerInflater(): HeaderInflater {
  const zlib = createInflate({ dictionary: headerDictionary, finishFlush: constants.Z_SYNC_FLUSH });
  let failed: Error | undefined;
  let out: Buffer[] = [];
  let size = 0;
  zlib.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBlockBytes) out.push(chunk);
  });
  zlib.on('error', (error) => {
    failed = error;
  });
  return {
    inflate: (block) =>
      new Promise((resolve, reject) => {
        const broken = (error: Error) => reject(new SpdyProtocolError(`SPDY headers can't be decompressed: ${error.message}`));
        if (failed) return broken(failed);
        zlib.write(block, (error) => {
          if (error) return broken(error);
          if (size > maxBlockBytes) return broken(new Error('too many'));
          const whole = Buffer.concat(out);
          out = [];
          size = 0;
          try {
            resolve(decodeBlock(whole));
          } catch (problem) {
            reject(problem);
          }
        });
      }),
    close: () => zlib.close(),
  };
}
