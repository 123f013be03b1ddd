import type { Readable } from 'node:stream';
import { errors } from '../../api/index.ts';
import type { RequestBody } from '../exchange.ts';

/** etcd's request limit times two, upstream's bound on what a client may send. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** The body of an HTTP request, read when somebody asks for it. */
export function requestBody(stream: Readable, contentTypeHeader: string | undefined, contentLength: string | undefined): RequestBody {
  const contentType = (contentTypeHeader ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  let read: Promise<Buffer> | undefined;
  return {
    contentType,
    bytes() {
      read ??= collect(stream, contentLength);
      return read;
    },
    stream: () => stream,
  };
}

function collect(stream: Readable, contentLength: string | undefined): Promise<Buffer> {
  if (Number(contentLength ?? 0) > maxBodyBytes) return Promise.reject(errors.requestEntityTooLarge(maxBodyBytes));
  if (stream.readableEnded) return Promise.resolve(Buffer.alloc(0));
  if (stream.destroyed) return Promise.reject(broken('aborted'));
  let reading: Reading | undefined = { ...Promise.withResolvers<Buffer>(), chunks: [], size: 0 };
  const { promise } = reading;
  /** Lets go of the body: Node keeps streams, and with them who listens to them, longer than it uses them. */
  const done = () => {
    const read = reading;
    reading = undefined;
    return read;
  };
  stream.on('data', (chunk: Buffer) => {
    if (reading === undefined) return;
    reading.size += chunk.length;
    if (reading.size <= maxBodyBytes) reading.chunks.push(chunk);
    else done()?.reject(errors.requestEntityTooLarge(maxBodyBytes));
  });
  stream.on('end', () => {
    const read = done();
    if (read === undefined) return;
    const [first] = read.chunks;
    read.resolve(first !== undefined && read.chunks.length === 1 ? first : Buffer.concat(read.chunks));
  });
  stream.on('close', () => done()?.reject(broken(stream.errored?.message ?? 'aborted')));
  return promise;
}

/** A body of which some has come. */
interface Reading extends PromiseWithResolvers<Buffer> {
  chunks: Buffer[];
  size: number;
}

const broken = (why: string) => errors.badRequest(`could not read the request body: ${why}`);
