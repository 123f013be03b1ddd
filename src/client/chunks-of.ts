import type { Readable } from 'node:stream';

/**
 * What a stream of an answer brings, to its end. Node's own iteration takes an HTTP/2 stream for broken off whose last frame has come
 * before it begins, though all that it brought is there to be read.
 */
export async function* chunksOf(body: Readable): AsyncGenerator<Buffer> {
  let wake = () => {};
  const onChange = () => wake();
  const changes = ['readable', 'end', 'error', 'close'];
  for (const change of changes) body.on(change, onChange);
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      for (let chunk = body.read(); chunk !== null; chunk = body.read()) yield chunk;
      if (body.errored) throw body.errored;
      if (body.readableEnded) return;
      if (body.destroyed) throw Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
      await changed;
    }
  } finally {
    for (const change of changes) body.off(change, onChange);
  }
}
