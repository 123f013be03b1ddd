import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensurePki } from '../../pki/index.ts';
import { http1Reply } from './reply.ts';

let dir: string;
let server: Http2SecureServer;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-reply-'));
});
afterEach(() => {
  server?.close();
  rmSync(dir, { recursive: true, force: true });
});

const bytes = 210_000;

/** A process of its own, which sends its next request as soon as it has an answer; prints what has failed. */
const client = `
const https = require('node:https');
const { port, ca, rounds, bytes } = JSON.parse(process.env.CLIENT);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca });
const body = Buffer.alloc(bytes);
const ask = (method) => new Promise((resolve, reject) => {
  const headers = method === 'POST' ? { 'content-length': bytes } : {};
  const sent = https.request({ host: '127.0.0.1', port, method, agent, headers }, (response) => {
    let size = 0;
    response.on('data', (chunk) => { size += chunk.length; }).on('end', () => (size === bytes ? resolve() : reject(new Error('short'))));
  });
  sent.on('error', reject).end(method === 'POST' ? body : undefined);
});
(async () => {
  const failures = [];
  for (let i = 0; i < rounds; i++) await ask(i % 2 ? 'POST' : 'GET').catch((error) => failures.push(error.message));
  agent.destroy();
  console.log(JSON.stringify(failures));
})();
`;

test.each(['whole', 'in pieces', 'of unknown length'])('long answers and long requests take turns on a connection: %s', async (how) => {
  const pki = await ensurePki(join(dir, 'pki'), { now: Date.now() });
  server = createSecureServer({ allowHTTP1: true, cert: pki.apiserver.certificate, key: pki.apiserver.key });
  let turns = 0;
  server.on('request', (request, response) => {
    const answer = () => {
      // A server that is busy meanwhile; not always for as long.
      const until = performance.now() + (turns++ % 16);
      while (performance.now() < until);
      // HTTP/1.1 is all that the client speaks.
      const reply = http1Reply(response as never);
      reply.head(200, how === 'of unknown length' ? {} : { 'content-length': bytes });
      const body = Buffer.alloc(bytes);
      if (how === 'whole') reply.end(body);
      else {
        reply.write(body.subarray(0, bytes / 2));
        reply.write(body.subarray(bytes / 2), () => reply.end());
      }
    };
    setImmediate(() => {
      if (request.method === 'GET') answer();
      else request.resume().on('end', answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's
  const env = { ...process.env, CLIENT: JSON.stringify({ port, ca: pki.ca.certificate, rounds: 120, bytes }) };
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['-e', client], { env }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });
  expect(JSON.parse(output)).toEqual([]);
});

test('a long answer whose client goes before its last byte is known to be lost', async () => {
  const pki = await ensurePki(join(dir, 'pki'), { now: Date.now() });
  server = createSecureServer({ allowHTTP1: true, cert: pki.apiserver.certificate, key: pki.apiserver.key });
  const long = Buffer.alloc(16 * 1024 * 1024);
  const written = new Promise<Error | null | undefined>((resolve) => {
    server.on('request', (_, response) => {
      // HTTP/1.1 is all that the client speaks.
      const reply = http1Reply(response as never);
      reply.head(200, { 'content-length': long.length }, true);
      reply.write(long, resolve);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's
  const client = connect({ host: '127.0.0.1', port, ca: pki.ca.certificate });
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  // It takes the head, and no more.
  client.once('data', () => client.destroy());
  expect((await written)?.message).toBe('the client has gone');
});
