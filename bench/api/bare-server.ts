/**
 * What `bench/api.ts` measures beside the API server: Node's HTTP/2 over TLS and nothing else, to which GETs and POSTs are the same few
 * hundred bytes of JSON. It tells how fast the machine is in this minute.
 */
import { createSecureServer, constants as http2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ensurePki } from '../../src/pki/index.ts';
import { systemClock as clock } from '../../src/time/index.ts';
import type { Order, Report } from './server.ts';

const [, , dir = ''] = process.argv;
const pki = await ensurePki(join(dir, 'pki'), { now: clock.now() });
const admin = pki.clients.admin;
if (admin === undefined) throw new Error(`there is no administrator's certificate in ${pki.dir}`);

const answer = Buffer.from(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', data: { key: 'x'.repeat(200) } }));
const headers = { [http2.HTTP2_HEADER_STATUS]: 200, [http2.HTTP2_HEADER_CONTENT_TYPE]: 'application/json' };
const server = createSecureServer({ cert: pki.apiserver.certificate, key: pki.apiserver.key, ca: pki.ca.certificate, requestCert: true });
server.on('stream', (stream, { [http2.HTTP2_HEADER_METHOD]: method }) => {
  const respond = () => {
    stream.respond(headers);
    stream.end(answer);
  };
  if (method === 'GET') return respond();
  stream.on('data', () => {}).on('end', respond);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ port, ca: pki.ca.certificate, cert: admin.certificate, key: admin.key } satisfies Report);
});
process.on('message', (order: Order) => {
  if (order !== 'stop') return;
  server.close();
  process.disconnect();
});
