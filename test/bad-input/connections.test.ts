/** Clients that are slow, silent, gone, or many: the server bounds what they cost and goes on answering others. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap, type Draft } from '../../src/api/index.ts';
import { createCertificateAuthority, issueCertificate } from '../../src/pki/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
beforeAll(async () => {
  server = await startApiServer({ server: { requestTimeoutSeconds: 2, http: { headersTimeoutMs: 500, stalledWriteMs: 500 } } });
});
afterAll(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const answers = async () => expect((await server.http('GET', '/readyz')).body).toBe('ok');

async function dial(): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: server.port, ...server.tls, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => undefined); // cut off, as the tests expect
  await once(socket, 'secureConnect');
  return socket;
}

async function textUntilClosed(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'close');
  return text;
}

function draft(name: string, data?: Record<string, string>): Draft<ConfigMap> {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, ...(data ? { data } : {}) };
}

test('a client that never ends its headers is cut off', async () => {
  const socket = await dial();
  socket.write('GET /api HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  expect(await textUntilClosed(socket)).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n|^$/);
  await answers();
});

test('a body that stalls ends in a Timeout, and stores nothing', async () => {
  const socket = await dial();
  socket.write(
    `POST ${configMaps} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{"kind":`,
  );
  const [, body = ''] = (await textUntilClosed(socket)).split('\r\n\r\n');
  expect(JSON.parse(body)).toMatchObject({ status: 'Failure', code: 504, reason: 'Timeout' });
  expect((await server.admin.list(ConfigMap, { namespace: 'default' })).items).toEqual([]);
});

test('a client that goes away in the middle of its body leaves nothing behind', async () => {
  const socket = await dial();
  socket.write(`POST ${configMaps} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"kind":`);
  socket.destroy();
  await once(socket, 'close');
  await answers();
  expect((await server.admin.list(ConfigMap, { namespace: 'default' })).items).toEqual([]);
});

test('what is no HTTP is refused', async () => {
  const socket = await dial();
  socket.write('\u0016\u0003hello, is this the API server?\r\n\r\n');
  expect(await textUntilClosed(socket)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  await answers();
});

test('a watch that nobody reads is cut off', async () => {
  const socket = await dial();
  socket.write(`GET ${configMaps}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'readable');
  socket.pause();
  const closed = once(socket, 'close');
  await server.admin.create(ConfigMap, draft('loud'), { namespace: 'default' });
  const text = 'x'.repeat(500_000);
  // More than the sockets between both hold.
  for (let i = 0; i < 60; i++)
    await server.admin.patch(ConfigMap, 'loud', 'merge', { data: { text: `${i}${text}` } }, { namespace: 'default' });
  // The pause keeps the socket from seeing its own end: what comes until then is read late.
  await expect
    .poll(async () => (await server.http('GET', '/metrics')).body, { timeout: 10_000 })
    .toMatch(/apiserver_longrunning_requests\{[^}]*verb="WATCH"[^}]*\} 0/);
  socket.resume();
  await closed;
  await server.admin.delete(ConfigMap, 'loud', { namespace: 'default' });
  await answers();
});

async function session(): Promise<ClientHttp2Session> {
  const made = connectHttp2(server.url, { ...server.tls });
  made.on('error', () => undefined); // a flood's connection is closed by the server
  await once(made, 'connect');
  return made;
}

test('two thousand watches are each told of a change once', async () => {
  const sessions = await Promise.all(Array.from({ length: 10 }, session));
  const version = (await server.admin.list(ConfigMap, { namespace: 'default' })).metadata.resourceVersion;
  const streams: ClientHttp2Stream[] = [];
  for (const one of sessions)
    for (let i = 0; i < 200; i++) streams.push(one.request({ ':path': `${configMaps}?watch=true&resourceVersion=${version}` }));
  await Promise.all(streams.map((stream) => once(stream, 'response')));
  const told = Promise.all(
    streams.map(async (stream) => {
      let line = '';
      for await (const chunk of stream) {
        line += chunk;
        if (line.includes('\n')) break;
      }
      return JSON.parse(line).object.metadata.name as string;
    }),
  );
  await server.admin.create(ConfigMap, draft('change'), { namespace: 'default' });
  expect(new Set(await told)).toEqual(new Set(['change']));
  for (const one of sessions) one.destroy();
  await server.admin.delete(ConfigMap, 'change', { namespace: 'default' });
  await answers();
});

test('a flood of streams that are reset at once ends with its connection', async () => {
  const flood = await session();
  const closed = new Promise((resolve) => flood.on('close', resolve));
  const pour = () => {
    for (let i = 0; i < 100 && !flood.destroyed && !flood.closed; i++) {
      const stream = flood.request({ ':path': '/api/v1/configmaps' });
      stream.on('error', () => undefined);
      // Once its request is on the wire.
      stream.on('ready', () => stream.close(constants.NGHTTP2_CANCEL));
    }
    if (!flood.destroyed && !flood.closed) setImmediate(pour);
  };
  pour();
  await closed;
  await answers();
});

test('requests that are given up at once do no harm', async () => {
  await Promise.all(
    Array.from(
      { length: 200 },
      () =>
        new Promise<void>((resolve) => {
          const sent = request({ host: '127.0.0.1', port: server.port, path: configMaps, ...server.tls, agent: false });
          sent.on('error', () => undefined);
          sent.on('close', resolve);
          sent.on('socket', (socket) => socket.on('secureConnect', () => sent.destroy()));
          sent.end();
        }),
    ),
  );
  await answers();
});

test('a certificate that has expired, or that another authority signed, is nobody', async () => {
  const hour = 3600_000;
  const now = Date.now();
  const admin = { commonName: 'admin', organizations: ['system:masters'], usages: ['client'] as const };
  const other = await createCertificateAuthority({
    commonName: 'kubernetes',
    notBefore: new Date(now - hour),
    notAfter: new Date(now + hour),
  });
  const forged = await issueCertificate(other, { ...admin, notBefore: new Date(now - hour), notAfter: new Date(now + hour) });
  const expired = await issueCertificate(server.pki.ca, { ...admin, notBefore: new Date(now - 2 * hour), notAfter: new Date(now - hour) });
  for (const { certificate: cert, key } of [forged, expired]) {
    const reply = await server.http('GET', configMaps, undefined, {}, { cert, key });
    expect(JSON.parse(reply.body)).toMatchObject({ kind: 'Status', code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
  }
  await answers();
});

test('who comes through the front proxy is believed because of its certificate', async () => {
  const { certificate: cert, key } = server.pki.frontProxyClient;
  const reply = await server.http('GET', configMaps, undefined, { 'x-remote-user': 'jane' }, { cert, key });
  expect(JSON.parse(reply.body).message).toContain('User "jane" cannot list resource "configmaps"');
  const pretender = await server.http('GET', configMaps, undefined, { 'x-remote-user': 'jane' });
  expect(pretender.status).toBe(200);
});
