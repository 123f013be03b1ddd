import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { storeContract } from './contract.ts';
import { openEtcdStore } from './etcd-store.ts';

const running: { child: ChildProcess; dir: string }[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A fresh etcd on loopback; gives its address once it serves. */
async function startEtcd(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-etcd-'));
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const child = spawn(
    'etcd',
    [
      ...['--data-dir', dir, '--unsafe-no-fsync', '--logger', 'zap'],
      ...['--listen-client-urls', url(clientPort), '--advertise-client-urls', url(clientPort)],
      ...['--listen-peer-urls', url(peerPort), '--initial-advertise-peer-urls', url(peerPort)],
      ...['--initial-cluster', `default=${url(peerPort)}`],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  running.push({ child, dir });
  let log = '';
  for await (const chunk of child.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    log += chunk;
    if (log.includes('serving insecure client requests') || log.includes('serving client traffic')) break;
  }
  child.stderr.resume();
  if (child.exitCode !== null) throw new Error(`etcd did not start: ${log}`);
  return `127.0.0.1:${clientPort}`;
}

afterEach(async () => {
  for (const { child, dir } of running.splice(0)) {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(dir, { recursive: true, force: true });
  }
});

describe.runIf(spawnSync('etcd', ['--version']).status === 0)('with a real etcd', () => {
  storeContract('etcd', async () => openEtcdStore({ endpoints: [await startEtcd()] }), { virtualTime: false });

  test('an etcd that is not there is an error that names it', async () => {
    const store = openEtcdStore({ endpoints: [`127.0.0.1:${await freePort()}`], patienceMs: 200 });
    await expect(store.get('/a')).rejects.toThrow(/^etcd at 127\.0\.0\.1:\d+: Range: /);
    await store.close();
  });
});
