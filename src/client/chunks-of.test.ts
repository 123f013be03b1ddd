import { once } from 'node:events';
import { type ClientHttp2Stream, connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { chunksOf } from './chunks-of.ts';

async function textOf(stream: PassThrough | ClientHttp2Stream): Promise<string> {
  let text = '';
  for await (const chunk of chunksOf(stream)) text += chunk;
  return text;
}

it('reads an answer whose last frame has come before anybody reads', async () => {
  const server = createServer((_request, response) => response.end('all of it'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = session.request({ ':path': '/' });
  await once(stream, 'response');
  await expect.poll(() => stream.closed).toBe(true);
  expect(await textOf(stream)).toBe('all of it');
  session.destroy();
  server.close();
});

it('reads what comes later', async () => {
  const stream = new PassThrough();
  const text = textOf(stream);
  for (const chunk of ['one', 'two']) {
    stream.write(chunk);
    await new Promise(setImmediate);
  }
  stream.end('three');
  expect(await text).toBe('onetwothree');
});

it('says why a stream broke off', async () => {
  const [failed, closed] = [new PassThrough(), new PassThrough()];
  const texts = [textOf(failed), textOf(closed)];
  failed.destroy(new Error('reset'));
  closed.destroy();
  await expect(texts[0]).rejects.toThrow('reset');
  await expect(texts[1]).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
});
