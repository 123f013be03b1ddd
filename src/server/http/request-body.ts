import type { Readable } from 'node:stream';
import { errors } from '../../api/index.ts';
import type { RequestBody } from '../exchange.ts';

/** etcd's request limit times two, upstream's bound on what a client may send. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** The body of an HTTP request, read when somebody asks for it. */
export function requestBody(
  stream: Readable,
  contentTypeHeader: string | undefined,
  contentLength: string | undefined,
  /** Its own stream of HTTP/2, which holds the client to the announced length, and which nobody has to read to its end. */
  isHttp2: boolean,
): RequestBody {
  const contentType = (contentTypeHeader ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  let read: Promise<Buffer> | undefined;
  return {
    contentType,
    bytes() {
      read ??= collect(stream, Number(contentLength ?? 0), isHttp2);
      return read;
    },
    stream: () => stream,
  };
}

function collect(stream: Readable, announced: number, isHttp2: boolean): Promise<Buffer> {
  if (announced > maxBodyBytes) return Promise.reject(errors.requestEntityTooLarge(maxBodyBytes));
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
  const whole = () => {
    const read = done();
    if (read === undefined) return;
    const [first] = read.chunks;
    read.resolve(first !== undefined && read.chunks.length === 1 ? first : Buffer.concat(read.chunks));
  };
  stream.on('data', (chunk: Buffer) => {
    if (reading === undefined) return;
    reading.size += chunk.length;
    if (reading.size > maxBodyBytes) {
      done()?.reject(errors.requestEntityTooLarge(maxBodyBytes));
      return;
    }
    reading.chunks.push(chunk);
    if (!isHttp2 || reading.size !== announced) return;
    // All is there, and the end of the stream need not be waited for.
    stream.pause();
    whole();
  });
  stream.on('end', whole);
  stream.on('close', () => done()?.reject(broken(stream.errored?.message ?? 'aborted')));
  return promise;
}

/** A body of which some has come. */
interface Reading extends PromiseWithResolvers<Buffer> {
  chunks: Buffer[];
  size: number;
}

const broken = (why: string) => errors.badRequest(`could not read the request body: ${why}`);
