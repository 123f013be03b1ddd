/**
 * What the etcd engine and the etcd face cost: `node bench/etcd.ts`. The same small puts to one real etcd, by a bare gRPC client and by
 * the engine in turn; and by a bare client to the face over the memory store. Read the ratios; rates are this machine's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { ensureEtcdPki } from '../src/pki/index.ts';
import { etcdService } from '../src/store/etcd-proto.ts';
import { openEtcdStore, openMemoryStore, serveEtcd } from '../src/store/index.ts';
import { startEtcd } from '../src/store/testing/etcd.ts';
import { systemClock as clock } from '../src/time/index.ts';

const valueBytes = 1024;
const seconds = 2;
const clients = 32;
type Put = (key: string, value: Buffer) => Promise<unknown>;

async function measure(put: Put): Promise<number> {
  const start = performance.now();
  let count = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let i = 0; performance.now() < start + seconds * 1000; i++) {
        await put(`/registry/bench/${client}/${i % 1000}`, Buffer.alloc(valueBytes, i));
        count++;
      }
    }),
  );
  return Math.round(count / ((performance.now() - start) / 1000));
}

function bare(address: string, channel: ChannelCredentials): Put {
  const KV = etcdService('KV');
  const client = new KV(address, channel);
  return (key, value) =>
    new Promise((resolve, reject) => {
      const success = [{ request_put: { key: Buffer.from(key), value } }];
      client.Txn?.({ compare: [], success, failure: [] }, (error: Error | null, answer: unknown) =>
        error ? reject(error) : resolve(answer),
      );
    });
}

const dir = mkdtempSync(join(tmpdir(), 'k8ts-bench-etcd-'));
const etcd = await startEtcd();
const store = openEtcdStore({ endpoints: [etcd.address] });
const pki = await ensureEtcdPki(dir, { now: clock.now() });
const memory = openMemoryStore({ clock });
const tls = { ca: pki.ca.certificate, cert: pki.server.certificate, key: pki.server.key };
const face = await serveEtcd({ store: memory, clock, listen: '127.0.0.1:0', tls });
try {
  const engine = await store;
  const channel = credentials.createSsl(Buffer.from(pki.ca.certificate), Buffer.from(pki.client.key), Buffer.from(pki.client.certificate));
  const ways: [string, Put][] = [
    ['bare client, etcd', bare(etcd.address, credentials.createInsecure())],
    ['etcd engine, etcd', (key, value) => engine.commit([], [{ put: key, value }])],
    ['bare client, etcd face over memory', bare(face.address, channel)],
  ];
  const rates = new Map<string, number[]>();
  // In turns, so that what else the machine does falls on all alike.
  for (let round = 0; round < 3; round++) for (const [name, put] of ways) rates.set(name, [...(rates.get(name) ?? []), await measure(put)]);
  const best = (name: string) => Math.max(...(rates.get(name) ?? []));
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.version}, ${valueBytes}-byte values, ${clients} clients`,
  );
  console.table(
    ways.map(([name]) => ({ way: name, 'puts/s': best(name), 'of the bare client': (best(name) / best('bare client, etcd')).toFixed(2) })),
  );
  await engine.close();
} finally {
  await face.close();
  await memory.close();
  await etcd.remove();
  rmSync(dir, { recursive: true, force: true });
}
process.exit();
