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
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) {
        chunks.length = 0;
        reject(errors.requestEntityTooLarge(maxBodyBytes));
      } else chunks.push(chunk);
    });
    const whole = () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    const broken = (why: string) => reject(errors.badRequest(`could not read the request body: ${why}`));
    if (stream.readableEnded) return whole();
    if (stream.destroyed) return broken('aborted');
    stream.on('end', whole);
    stream.on('error', (error) => broken(error.message));
    stream.on('close', () => {
      if (!stream.readableEnded) broken('aborted');
    });
  });
}
