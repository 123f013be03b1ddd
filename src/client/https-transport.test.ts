import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { ConfigMap, errors, StatusError } from '../api/index.ts';
import { createClient } from './create-client.ts';
import { type HttpsTransport, type HttpsTransportOptions, httpsTransport } from './https-transport.ts';
import { selfSigned } from './testing/self-signed.ts';

let pem: { cert: string; key: string };
beforeAll(async () => {
  pem = await selfSigned();
});

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

async function serve(handler: Handler, settings = {}) {
  const sessions: ServerHttp2Session[] = [];
  const server: Http2SecureServer = createSecureServer({ ...pem, allowHTTP1: true, settings }, handler);
  server.on('session', (s) => sessions.push(s));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const s of sessions) s.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, sessions };
}

function connect(port: number, options: Partial<HttpsTransportOptions> = {}): HttpsTransport {
  const transport = httpsTransport({ server: `https://127.0.0.1:${port}`, ca: pem.cert, userAgent: 'test/1', ...options });
  closers.push(() => transport.close());
  return transport;
}

const json = (response: Http2ServerResponse, body: unknown, status = 200, headers = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

test('many requests share one HTTP/2 connection, and carry what they should', async () => {
  const { port, sessions } = await serve((request, response) =>
    json(response, {
      version: request.httpVersion,
      auth: request.headers.authorization,
      agent: request.headers['user-agent'],
      url: request.url,
    }),
  );
  const client = createClient(connect(port, { token: 'abc' }), { userAgent: 'controller/replicaset' });
  const answers = await Promise.all([1, 2, 3].map(() => client.get(ConfigMap, 'a', { namespace: 'work' })));
  expect(answers[0]).toEqual({
    version: '2.0',
    auth: 'Bearer abc',
    agent: 'controller/replicaset',
    url: '/api/v1/namespaces/work/configmaps/a',
  });
  expect(sessions).toHaveLength(1);
});

test('opens a further connection when the streams of the first are used up', async () => {
  const held: Http2ServerResponse[] = [];
  const full = Promise.withResolvers<void>();
  const { port, sessions } = await serve(
    (_, response) => {
      held.push(response);
      if (held.length === 3) full.resolve();
    },
    { maxConcurrentStreams: 2 },
  );
  const client = createClient(connect(port));
  const first = client.raw('GET', '/1');
  while (held.length < 1) await new Promise((resolve) => setImmediate(resolve));
  const others = [client.raw('GET', '/2'), client.raw('GET', '/3')];
  await full.promise;
  expect(sessions).toHaveLength(2);
  for (const response of held) json(response, {});
  await Promise.all([first, ...others]);
});

test('speaks HTTP/1.1 to a server that knows nothing else', async () => {
  const server = createHttpsServer(pem, (request, response) => response.end(`version ${request.httpVersion}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => void server.close());
  const client = createClient(connect((server.address() as AddressInfo).port));
  expect(await client.raw('GET', '/')).toBe('version 1.1');
});

test('decodes a watch whose lines come in pieces, and ends it with the signal', async () => {
  const closed = Promise.withResolvers<void>();
  const { port } = await serve((_, response) => {
    const text = ['ä', 'b'].map((k) => JSON.stringify({ type: 'ADDED', object: { data: { k } } })).join('\n');
    const bytes = Buffer.from(`${text}\n`);
    const cut = bytes.indexOf('ä') + 1;
    response.write(bytes.subarray(0, cut), () => setImmediate(() => response.write(bytes.subarray(cut))));
    response.stream.once('close', () => closed.resolve());
  });
  const client = createClient(connect(port));
  const stop = new AbortController();
  const seen: unknown[] = [];
  await expect(async () => {
    for await (const event of client.watch(ConfigMap, { signal: stop.signal })) {
      seen.push('data' in event.object ? event.object.data : undefined);
      if (seen.length === 2) stop.abort(new Error('enough'));
    }
  }).rejects.toThrow('enough');
  expect(seen).toEqual([{ k: 'ä' }, { k: 'b' }]);
  await closed.promise;
});

test('an ERROR event and a refused watch are StatusErrors', async () => {
  const { port } = await serve((request, response) => {
    const status = errors.expired('too old resource version: 1 (2)').status;
    if (request.url.includes('labelSelector')) return json(response, errors.badRequest('unable to parse').status, 400);
    response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
  });
  const client = createClient(connect(port));
  const drain = async (options: { labelSelector?: string }) => {
    for await (const _ of client.watch(ConfigMap, options));
  };
  await expect(drain({})).rejects.toMatchObject({ reason: 'Expired', code: 410 });
  await expect(drain({ labelSelector: '(' })).rejects.toMatchObject({ reason: 'BadRequest' });
});

test('a connection that breaks ends the watch; the next request connects anew', async () => {
  const { port, sessions } = await serve((request, response) => {
    if (request.url.includes('watch')) response.write('{"type":"BOOKMARK","object":{"metadata":{}}}\n');
    else json(response, {});
  });
  const client = createClient(connect(port));
  let events = 0;
  for await (const _ of client.watch(ConfigMap)) {
    events++;
    sessions[0]?.destroy();
  }
  expect(events).toBe(1);
  await client.raw('GET', '/again');
  expect(sessions).toHaveLength(2);
});

test('errors are the Status that the server sent, or made from the code', async () => {
  const { port } = await serve((request, response) => {
    if (request.url.endsWith('/a')) return json(response, errors.notFound(ConfigMap, 'a').status, 404);
    response.writeHead(502);
    response.end('bad gateway');
  });
  const client = createClient(connect(port));
  await expect(client.get(ConfigMap, 'a', { namespace: 'n' })).rejects.toThrow('configmaps "a" not found');
  await expect(client.get(ConfigMap, 'b', { namespace: 'n' })).rejects.toSatisfy(
    (e) => e instanceof StatusError && e.code === 502 && e.message === 'bad gateway',
  );
});

test('waits and tries again where the server says Retry-After, and hands on warnings', async () => {
  let tries = 0;
  const { port } = await serve((_, response) => {
    if (++tries < 3) json(response, {}, 429, { 'retry-after': '1' });
    else json(response, { tries }, 200, { warning: '299 - "apps/v1beta1 Deployment is deprecated", 299 - "say \\"no\\""' });
  });
  const waited: number[] = [];
  const warnings: string[] = [];
  const clock = { ...(await import('../time/index.ts')).systemClock, sleep: async (ms: number) => void waited.push(ms) };
  const client = createClient(connect(port, { clock }), { onWarning: (text) => warnings.push(text) });
  expect(await client.raw('GET', '/')).toEqual({ tries: 3 });
  expect(waited).toEqual([1000, 1000]);
  expect(warnings).toEqual(['apps/v1beta1 Deployment is deprecated', 'say "no"']);
});

test('a server that is not there, or that the CA has not signed, is named in the error', async () => {
  const { port } = await serve((_, response) => json(response, {}));
  await expect(createClient(connect(1)).raw('GET', '/')).rejects.toThrow('dial tcp 127.0.0.1:1: connect: connection refused');
  await expect(createClient(connect(port, { ca: undefined })).raw('GET', '/')).rejects.toThrow('self-signed certificate');
  expect(await createClient(connect(port, { ca: undefined, insecureSkipTlsVerify: true })).raw('GET', '/')).toEqual({});
});
