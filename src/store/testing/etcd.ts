/** Real etcds for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface EtcdProcess {
  /** `HOST:PORT` for clients. */
  address: string;
  child: ChildProcess;
  /** kill -9; its data stay until `remove`. */
  kill(): Promise<void>;
  /** Starts it again with its data, at the same address. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

const url = (port: number | undefined) => `http://127.0.0.1:${port}`;

interface Member {
  name: string;
  dataDir: string;
  clientPort: number;
  peerPort: number;
}

async function start(member: Member, cluster: string, extraArgs: readonly string[]): Promise<ChildProcess> {
  const { name, dataDir, clientPort, peerPort } = member;
  const child = spawn(
    'etcd',
    [
      ...['--name', name, '--data-dir', dataDir, '--unsafe-no-fsync', '--logger', 'zap', '--initial-cluster', cluster],
      ...['--listen-client-urls', url(clientPort), '--advertise-client-urls', url(clientPort)],
      ...['--listen-peer-urls', url(peerPort), '--initial-advertise-peer-urls', url(peerPort)],
      ...extraArgs,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  for await (const chunk of child.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    log += chunk;
    if (log.includes('serving insecure client requests') || log.includes('serving client traffic')) break;
  }
  child.stderr.resume();
  if (child.exitCode !== null) throw new Error(`etcd did not start: ${log}`);
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Members on loopback that serve; give `dataDir` for what a snapshot was restored to. */
export async function startEtcdCluster(size: number, options: { dataDir?: string; args?: readonly string[] } = {}): Promise<EtcdProcess[]> {
  const ports = await freePorts(size * 2);
  const members = Array.from(
    { length: size },
    (_, i): Member => ({
      name: size === 1 ? 'default' : `m${i}`,
      dataDir: options.dataDir ?? mkdtempSync(join(tmpdir(), 'k8ts-etcd-')),
      clientPort: ports[2 * i] ?? 0,
      peerPort: ports[2 * i + 1] ?? 0,
    }),
  );
  const cluster = members.map(({ name, peerPort }) => `${name}=${url(peerPort)}`).join(',');
  return Promise.all(
    members.map(async (member): Promise<EtcdProcess> => {
      const handle: EtcdProcess = {
        address: `127.0.0.1:${member.clientPort}`,
        child: await start(member, cluster, options.args ?? []),
        kill: () => stop(handle.child),
        restart: async () => {
          handle.child = await start(member, cluster, options.args ?? []);
        },
        remove: async () => {
          await stop(handle.child);
          rmSync(member.dataDir, { recursive: true, force: true });
        },
      };
      return handle;
    }),
  );
}

export async function startEtcd(options: { dataDir?: string; args?: readonly string[] } = {}): Promise<EtcdProcess> {
  const [member] = await startEtcdCluster(1, options);
  if (!member) throw new Error('no etcd');
  return member;
}
