import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePki, type Pki } from '../pki/index.ts';
import { systemClock, VirtualClock } from '../time/index.ts';
import { Lifecycle } from './lifecycle.ts';
import { RequestLifetime } from './request-lifetime.ts';
import { openTestServer } from './testing/test-server.ts';

let pki: Pki;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-lifecycle-'));
  pki = await ensurePki(dir, { now: systemClock.now() });
});
afterAll(() => rm(dir, { recursive: true }));

const headers = { authorization: 'Bearer admin' };

interface Reply {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}
/** `agent: false`: a connection of its own. `onHead` is told when the status has come. */
function get(port: number, path: string, onHead?: () => void, more: Record<string, string> = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { ...headers, ...more }, ca: pki.ca.certificate, agent: false }, (response) => {
      onHead?.();
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() }),
      );
    })
      .on('error', reject)
      .end();
  });
}

async function start(options: Parameters<typeof openTestServer>[0]) {
  /** Answers /slow when told to. */
  const slow = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const under = await openTestServer({
    tls: { cert: pki.apiserver.certificate, key: pki.apiserver.key, clientCa: pki.ca.certificate },
    routes: [
      async ({ path }) => {
        if (path !== '/slow') return undefined;
        asked.resolve();
        await slow.promise;
        return { type: 'raw', status: 200, contentType: 'text/plain', body: 'done' };
      },
    ],
    ...options,
  });
  const { port } = await under.server.listen();
  return { under, port, slow, asked };
}

test('a server that ends lets requests in flight finish, ends watches, and listens no longer', async () => {
  const { under, port, slow, asked } = await start({});
  const inFlight = get(port, '/slow');
  const standing = Promise.withResolvers<void>();
  const watch = get(port, '/api/v1/namespaces?watch=1', standing.resolve);
  await Promise.all([asked.promise, standing.promise]);
  const ended = under.close();
  expect(await watch).toMatchObject({ status: 200, text: '' });
  await expect(get(port, '/version')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  slow.resolve();
  expect(await inFlight).toMatchObject({ status: 200, text: 'done' });
  await ended;
});

test('sends new requests away while it ends, where told to, and is not ready', async () => {
  const { under, port, slow, asked } = await start({ shutdown: { sendRetryAfter: true } });
  const inFlight = get(port, '/slow');
  await asked.promise;
  const ended = under.close();
  expect(await get(port, '/version')).toMatchObject({
    status: 429,
    headers: { 'retry-after': '5', connection: 'close' },
    text: 'The apiserver is shutting down, please try again later.\n',
  });
  expect((await get(port, '/readyz')).text).toContain('[-]shutdown failed: reason withheld');
  // Who looks how it ends is served, and who is one of its own.
  expect((await get(port, '/readyz/ping')).status).toBe(200);
  expect((await get(port, '/metrics')).status).toBe(200);
  expect((await get(port, '/version', undefined, { 'user-agent': 'kube-apiserver/v1.36.0' })).status).toBe(200);
  slow.resolve();
  expect((await inFlight).text).toBe('done');
  await ended;
  await expect(get(port, '/version')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('counts what ends after its time was up', async () => {
  const { under, port, slow } = await start({});
  expect((await get(port, '/slow?timeout=20ms')).status).toBe(504);
  slow.resolve();
  expect((await get(port, '/metrics')).text).toContain('apiserver_request_post_timeout_total{source="timeout-handler",status="ok"} 1');
  await under.close();
});

test('is not ready but serves during the delay', async () => {
  const clock = new VirtualClock();
  const lifecycle = new Lifecycle(clock, { delaySeconds: 10 });
  const watch = new RequestLifetime();
  lifecycle.enter(watch, true);
  const down = lifecycle.shutDown(5000);
  expect(lifecycle.isShuttingDown).toBe(true);
  await clock.advance(9_999);
  expect(watch.isOver).toBe(false);
  await clock.advance(1);
  await down;
  expect(watch.isOver).toBe(true);
  expect(lifecycle.ending.aborted).toBe(true);
});

test('gives up requests in flight that do not end', async () => {
  const clock = new VirtualClock();
  const lifecycle = new Lifecycle(clock, { sendRetryAfter: true });
  lifecycle.enter(new RequestLifetime(), false);
  const down = lifecycle.shutDown(5000);
  await clock.advance(5000);
  await down;
});

test.each<[string, NonNullable<Parameters<typeof openTestServer>[0]>['http'], boolean, Record<string, string>]>([
  ['at the chance it is given', { goawayChance: 1 }, true, headers],
  ['where nobody knows them', { limitsAnonymous: true }, true, {}],
  ['where they are refused', { limitsAnonymous: true }, true, { authorization: 'Bearer wrong' }],
  ['but not where they are known', { limitsAnonymous: true }, false, headers],
])('tells HTTP/2 clients to connect anew %s', async (_, http, goes, sent) => {
  const { under, port } = await start({ http });
  const session = connect(`https://127.0.0.1:${port}`, { ca: pki.ca.certificate });
  let codes = 0;
  session.on('goaway', () => codes++);
  const ask = async () => {
    const stream = session.request({ ':path': '/livez', ...sent });
    const [answer] = await once(stream, 'response');
    stream.resume();
    await once(stream, 'end');
    return answer[':status'];
  };
  expect([200, 401, 403]).toContain(await ask());
  if (goes) await once(session, 'close');
  else expect(await ask()).toBe(200);
  expect(codes).toBe(goes ? 1 : 0);
  session.destroy();
  await under.close();
});

test.each([
  [4, 1, 'two hundred a second where they are few'],
  [4000, 1000, 'evenly where they are many'],
])('of what lives long %i are ended bit by bit, %i in a quarter of the time: %s', async (count, quarter) => {
  const clock = new VirtualClock();
  const lifecycle = new Lifecycle(clock, { watchGraceSeconds: 10 });
  const lifetimes = Array.from({ length: count }, () => new RequestLifetime());
  for (const lifetime of lifetimes) lifecycle.enter(lifetime, true);
  const over = () => lifetimes.filter(({ isOver }) => isOver).length;
  const down = lifecycle.shutDown(5000);
  expect(over()).toBe(1);
  const eachMs = count === 4 ? 5 : 2.5;
  await clock.advance(eachMs * quarter);
  expect(over()).toBe(quarter + 1);
  expect(lifecycle.ending.aborted).toBe(false);
  await clock.advance(eachMs * (count - quarter));
  await down;
  expect(over()).toBe(count);
  expect(lifecycle.ending.aborted).toBe(true);
});

test('it speaks HTTP/1.1 only where HTTP/2 is turned off, and takes as many requests at once as it is told', async () => {
  const protocolOf = (port: number) =>
    new Promise<string | false | null>((resolve, reject) => {
      const socket = tlsConnect({ port, host: '127.0.0.1', ca: pki.ca.certificate, ALPNProtocols: ['h2', 'http/1.1'] }, () => {
        resolve(socket.alpnProtocol);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  const plain = await start({ http: { withoutHttp2: true } });
  expect(await protocolOf(plain.port)).toBe('http/1.1');
  expect((await get(plain.port, '/livez')).status).toBe(200);
  await plain.under.close();
  const narrow = await start({ http: { maxStreams: 7 } });
  expect(await protocolOf(narrow.port)).toBe('h2');
  const session = connect(`https://127.0.0.1:${narrow.port}`, { ca: pki.ca.certificate });
  const [settings] = await once(session, 'remoteSettings');
  expect(settings).toMatchObject({ maxConcurrentStreams: 7 });
  session.destroy();
  await narrow.under.close();
});
