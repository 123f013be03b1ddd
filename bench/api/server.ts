/**
 * The API server that `bench/api.ts` measures: everything a cluster's has, on the durable store, alone in its process. Says where it
 * listens and what identifies an administrator; records a profile of processor time or of allocations when asked to.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { kinds, ServiceAccount } from '../../src/api/index.ts';
import { createClient } from '../../src/client/index.ts';
import { collectThisProcessAtRest } from '../../src/cluster/collect-at-rest.ts';
import { ensurePki } from '../../src/pki/index.ts';
import { createClusterApiServer, parseIpRange, parsePortRange } from '../../src/server/index.ts';
import { openEmbeddedStore } from '../../src/store/index.ts';
import { systemClock as clock, systemRandom as random } from '../../src/time/index.ts';

/** What the bench asks of its server. */
export type Order = { profile: string } | { allocations: string } | 'stop-profile' | 'stop';
/** What the server answers: where it is, or that the profile is written. */
export type Report = { port: number; ca: string; cert: string; key: string } | 'done';

const [, , dir = ''] = process.argv;
const report = (message: Report) => process.send?.(message);
const logger = pino({ level: 'warn' });
const pki = await ensurePki(join(dir, 'pki'), { now: clock.now() });
const admin = pki.clients.admin;
if (admin === undefined) throw new Error(`there is no administrator's certificate in ${pki.dir}`);
const store = await openEmbeddedStore({ dir: join(dir, 'store'), clock, logger });
const server = await createClusterApiServer({
  store,
  clock,
  random,
  logger,
  metrics: new Registry(),
  kinds,
  tls: { cert: pki.apiserver.certificate, key: pki.apiserver.key, clientCa: [pki.ca.certificate, pki.frontProxyCa.certificate] },
  bindAddress: '127.0.0.1',
  port: 0,
  services: { ranges: [parseIpRange('10.96.0.0/16')], ports: parsePortRange('30000-32767') },
  authentication: {
    issuers: ['https://kubernetes.default.svc'],
    signingKey: pki.serviceAccount.privateKey,
    publicKey: pki.serviceAccount.publicKey,
    clientCa: pki.ca.certificate,
    requestHeader: { clientCa: pki.frontProxyCa.certificate, allowedNames: ['front-proxy-client'] },
  },
  advertise: { address: '192.0.2.1', port: 6443 },
});
const { port } = await server.listen();
await server.bootstrap();
const client = createClient(server.localTransport({ name: 'bench', groups: ['system:masters', 'system:authenticated'] }));
// The controllers, who would make it, are not measured here.
await client.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }, { namespace: 'default' });

// As a cluster's processes do.
const stopped = new AbortController();
collectThisProcessAtRest(clock, stopped.signal);

const session = new Session();
/** Writes what is being recorded. */
let stopRecording = async () => {};

async function recordTime(file: string): Promise<void> {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  stopRecording = async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    writeFileSync(file, JSON.stringify(profile));
  };
}

/** What was allocated, and not only what is left of it. */
async function recordAllocations(file: string): Promise<void> {
  session.connect();
  await session.post('HeapProfiler.enable');
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 4096,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  stopRecording = async () => {
    const { profile } = await session.post('HeapProfiler.stopSampling');
    session.disconnect();
    writeFileSync(file, JSON.stringify(profile));
  };
}

async function obey(order: Order): Promise<void> {
  if (typeof order === 'object') await ('profile' in order ? recordTime(order.profile) : recordAllocations(order.allocations));
  else if (order === 'stop-profile') await stopRecording();
  else {
    stopped.abort(new Error('the benchmark is over'));
    await server.close();
    await store.close();
    process.disconnect();
    return;
  }
  report('done');
}
process.on('message', (order: Order) => void obey(order));
report({ port, ca: pki.ca.certificate, cert: admin.certificate, key: admin.key });
