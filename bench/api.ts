/**
 * The API server under load: HTTP/2 over TLS, 4 connections, 32 requests at a time, durable store, server in a process of its own.
 * `node bench/api.ts [--seconds N]`; needs a built `dist/`.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { parseArgs } from 'node:util';
import { connectionOf, loadKubeconfig } from '../src/client/index.ts';
import { systemClock } from '../src/time/index.ts';
import { startCluster } from '../test/support/cluster.ts';
import { machine, table } from './report.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } });
const seconds = Number(values.seconds);
const connections = 4;
const concurrency = 32;

type Send = (method: string, path: string, body?: string, contentType?: string) => Promise<number>;

function sender(sessions: readonly ClientHttp2Session[]): Send {
  let turn = 0;
  return (method, path, body, contentType = 'application/json') =>
    new Promise((resolve, reject) => {
      const session = sessions[turn++ % sessions.length];
      if (!session) return reject(new Error('no connection'));
      const stream = session.request({ ':method': method, ':path': path, ...(body === undefined ? {} : { 'content-type': contentType }) });
      let status = 0;
      let bytes = 0;
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
      });
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('end', () => (status < 400 ? resolve(bytes) : reject(new Error(`${method} ${path}: ${status}`))));
      stream.on('error', reject);
      stream.end(body);
    });
}

/** Requests a second that `work` makes, `concurrency` at a time, until the time or the `limit` is reached. */
async function rate(work: (i: number) => Promise<unknown>, limit = Number.POSITIVE_INFINITY): Promise<number> {
  const end = systemClock.monotonic() + seconds * 1000;
  const begin = systemClock.monotonic();
  let count = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (systemClock.monotonic() < end && count < limit) await work(count++);
    }),
  );
  return count / ((systemClock.monotonic() - begin) / 1000);
}

const configMap = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: `a${name.length % 7}` } },
    data: { key: 'x'.repeat(200) },
  });
const pod = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench' } },
    spec: {
      schedulerName: 'nobody',
      automountServiceAccountToken: false,
      containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: '10m' } } }],
    },
  });

const cluster = await startCluster('--runtime', 'hollow', '--nodes', '1');
const rows: string[][] = [];
try {
  const { server, ca, cert, key } = await connectionOf(await loadKubeconfig(cluster.kubeconfig));
  const pem = (value: typeof ca) => (typeof value === 'function' ? value() : value);
  const sessions = Array.from({ length: connections }, () => connect(server, { ca: pem(ca), cert: pem(cert), key: pem(key) }));
  const send = sender(sessions);
  const add = (figure: string, perSecond: number, upstream: string) => rows.push([figure, perSecond.toFixed(0), upstream]);
  const maps = '/api/v1/namespaces/default/configmaps';
  let made = 0;
  add('create ConfigMap', await rate((i) => send('POST', maps, configMap(`m-${i}`)).then(() => made++)), '1500');
  add('get ConfigMap', await rate((i) => send('GET', `${maps}/m-${i % made}`)), '3580');
  add(
    'merge patch ConfigMap',
    await rate((i) => send('PATCH', `${maps}/m-${i % made}`, JSON.stringify({ data: { n: String(i) } }), 'application/merge-patch+json')),
    '1430',
  );
  add('list 2000 ConfigMaps', await rate(() => send('GET', `${maps}?limit=2000`)), '42');
  let pods = 0;
  add('create Pod', await rate((i) => send('POST', '/api/v1/namespaces/default/pods', pod(`p-${i}`)).then(() => pods++)), '945');
  add('list 2000 Pods', await rate(() => send('GET', '/api/v1/namespaces/default/pods?limit=2000')), '17');
  add('delete ConfigMap', await rate((i) => send('DELETE', `${maps}/m-${i}`), made), '1120');
  for (const session of sessions) session.close();
} finally {
  await cluster.down();
}
console.log(machine());
console.log(table(['requests a second', 'k8ts', 'upstream v1.20 with etcd'], rows));
