/** Two control planes over one etcd of three members, all on this machine, each part a process that can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lease } from '../../src/api/index.ts';
import { type Client, createClient, formatKubeconfig, httpsTransport } from '../../src/client/index.ts';
import { type EtcdProcess, freePorts, startEtcdCluster } from '../../src/store/testing/etcd.ts';
import { executable } from '../support/cluster.ts';
import { eventually } from '../support/wait.ts';

export interface Part {
  name: string;
  child: ChildProcess;
  /** kill -9, for good; what ends otherwise is started again. */
  kill(): Promise<void>;
  start(): void;
}

export interface ControlPlanes {
  etcd: EtcdProcess[];
  apiServers: Part[];
  managers: Part[];
  schedulers: Part[];
  /** A client of one of the API servers. */
  clientOf(server: number): Client;
  /** Which part has the lease. */
  leaderOf(lease: string, client: Client): Promise<Part | undefined>;
  logOf(part: Part): string;
  stop(): Promise<void>;
}

/** Short, so that the test is: what takes over is to be seen, not waited for. */
const election = ['lease-duration=3s', 'renew-deadline=2s', 'retry-period=500ms'].flatMap((flag) => ['--arg', `leader-elect-${flag}`]);

export async function startControlPlanes(): Promise<ControlPlanes> {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-ha-'));
  const etcd = await startEtcdCluster(3);
  const ports = await freePorts(2);
  const config = {
    ...{ name: 'ha', runtime: 'hollow', apiPort: ports[0], bindAddress: '127.0.0.1', advertiseAddress: '192.0.2.1' },
    ...{ podCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', clusterDomain: 'cluster.local', nodes: 0, hollowNodes: 0 },
    registryMirrors: {},
    args: {
      apiserver: { 'etcd-servers': etcd.map((member) => `http://${member.address}`).join(',') },
      ...{ controllerManager: {}, scheduler: {}, kubelet: {}, proxy: {} },
    },
  };
  mkdirSync(join(dir, 'pki'), { recursive: true });
  writeFileSync(join(dir, 'cluster.json'), JSON.stringify(config));

  const part = (name: string, args: readonly string[]): Part => {
    let wanted = true;
    const made: Part = {
      name,
      child: undefined as unknown as ChildProcess,
      start() {
        const log = openSync(join(dir, `${name}.log`), 'a');
        made.child = spawn(process.execPath, [executable, 'component', ...args, '--data-dir', dir], { stdio: ['ignore', log, log] });
        closeSync(log);
        wanted = true;
        // As upstream's parts, some end of themselves for somebody to start them again.
        made.child.once('exit', () => wanted && made.start());
      },
      async kill() {
        wanted = false;
        if (made.child.exitCode !== null || made.child.signalCode !== null) return;
        made.child.kill('SIGKILL');
        await once(made.child, 'exit');
      },
    };
    made.start();
    return made;
  };
  const tls = () => ({
    ca: readFileSync(join(dir, 'pki', 'ca.crt')),
    cert: readFileSync(join(dir, 'pki', 'admin.crt')),
    key: readFileSync(join(dir, 'pki', 'admin.key')),
  });
  const clients: (Client | undefined)[] = [];
  const clientOf = (i: number): Client => {
    clients[i] ??= createClient(httpsTransport({ server: `https://127.0.0.1:${ports[i]}`, ...tls() }), { userAgent: 'ha-test' });
    return clients[i];
  };
  const ready = (i: number) =>
    eventually(`API server ${i} is ready`, async () => (await clientOf(i).raw('GET', '/readyz')) === 'ok', 30_000);
  const apiServer = (i: number) =>
    part(`api-${i}`, ['kube-apiserver', '--secure-port', String(ports[i]), '--advertise-address', `192.0.2.${i + 1}`]);

  // The first makes the certificates that all use.
  const apiServers = [apiServer(0)];
  await ready(0);
  apiServers.push(apiServer(1));
  await ready(1);
  const kubeconfig = (name: string, server: string): string => {
    const file = (of: string) => join(dir, 'pki', of);
    const own = name.replace('kube-', '');
    const user = { 'client-certificate': file(`${own}.crt`), 'client-key': file(`${own}.key`) };
    writeFileSync(join(dir, `${own}.conf`), formatKubeconfig({ name, cluster: { server, 'certificate-authority': file('ca.crt') }, user }));
    return join(dir, `${own}.conf`);
  };
  // Those of the second are told where their server is, and who they are, by a file.
  const loops = (name: string) =>
    ports.map((port, i) => {
      const server = `https://127.0.0.1:${port}`;
      return part(`${name}-${i}`, [name, ...(i === 0 ? ['--server', server] : ['--kubeconfig', kubeconfig(name, server)]), ...election]);
    });
  const [managers, schedulers] = [loops('kube-controller-manager'), loops('kube-scheduler')];
  const logOf = ({ name }: Part) => readFileSync(join(dir, `${name}.log`), 'utf8');

  return {
    ...{ etcd, apiServers, managers, schedulers, clientOf, logOf },
    async leaderOf(name, client) {
      const lease = await client.get(Lease, name, { namespace: 'kube-system' });
      const holder = lease.spec.holderIdentity;
      return holder ? [...managers, ...schedulers].find((candidate) => logOf(candidate).includes(holder)) : undefined;
    },
    async stop() {
      await Promise.all([...apiServers, ...managers, ...schedulers].map((p) => p.kill()));
      await Promise.all(clients.map((client) => client?.close()));
      await Promise.all(etcd.map((member) => member.remove()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
