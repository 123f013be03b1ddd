/** An API server of a cluster's own executable in a process of its own, with a data directory. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { executable } from '../../support/cluster.ts';
import { eventually } from '../../support/wait.ts';
import type { ServerAddress } from '../load/connection.ts';
import { createPart, type Part } from './process.ts';
import type { SystemOptions } from './system.ts';

export interface ApiServerOptions extends SystemOptions {
  name: string;
  dataDir: string;
  logFile: string;
  host: string;
  port: number;
  namespace?: string;
  /** Its flags. */
  args?: Record<string, string>;
  etcdListen?: string;
  started?: (pid: number) => void;
}

export interface ApiServerPart extends Part {
  address: ServerAddress;
  /** Waits until it answers, and tells so. */
  ready(): Promise<void>;
  restart(): Promise<void>;
}

export function createApiServer(options: ApiServerOptions): ApiServerPart {
  const { name, dataDir, logFile, host, port, namespace, args = {}, etcdListen, started, tell } = options;
  mkdirSync(join(dataDir, 'pki'), { recursive: true });
  const config = {
    ...{ name: 'consistency', runtime: 'hollow', apiPort: port, bindAddress: host },
    // Endpoints may not be loopback addresses; nobody asks at this one.
    advertiseAddress: host.startsWith('127.') ? '192.0.2.1' : host,
    ...{ podCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', clusterDomain: 'cluster.local', nodes: 0, hollowNodes: 0 },
    ...(etcdListen ? { etcdListen } : {}),
    registryMirrors: {},
    args: { apiserver: args, ...{ controllerManager: {}, scheduler: {}, kubelet: {}, proxy: {} } },
  };
  writeFileSync(join(dataDir, 'cluster.json'), JSON.stringify(config));
  const command = [process.execPath, executable, 'component', 'kube-apiserver', '--data-dir', dataDir];
  const optional = { ...(namespace ? { namespace } : {}), ...(started ? { started } : {}) };
  const part = createPart({ name, command, logFile, ...optional, env: { K8TS_LOG_LEVEL: 'warn' } });
  const start = () => {
    tell({ what: `${name} was started`, server: name, is: 'started' });
    part.start();
  };
  let address: ServerAddress | undefined;
  const ready = async () => {
    const started = eventually(
      `${name} is ready`,
      async () => {
        if (!part.isRunning) start();
        const read = (file: string) => readFileSync(join(dataDir, 'pki', file));
        address ??= { name, host, port, tls: { ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key') } };
        return answersReady(address);
      },
      60_000,
    );
    await started.catch((cause) => {
      throw new Error(`${name} is not ready; the end of its log:\n${readFileSync(logFile, 'utf8').slice(-1000)}`, { cause });
    });
    tell({ what: `${name} is ready`, server: name, is: 'ready' });
  };
  return {
    name,
    get isRunning() {
      return part.isRunning;
    },
    start,
    kill: part.kill,
    pause: part.pause,
    resume: part.resume,
    ready,
    async restart() {
      start();
      await ready();
    },
    get address() {
      if (!address) throw new Error(`${name} was never ready`);
      return address;
    },
  };
}

export function answersReady({ host, port, tls }: ServerAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ host, port, ...tls, servername: 'kubernetes.default.svc', agent: false, path: '/readyz' }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode === 200));
      response.on('error', () => resolve(false));
    });
    sent.setTimeout(1000, () => sent.destroy(new Error('no answer in time')));
    // Not ready, whatever the reason.
    sent.on('error', () => resolve(false));
    sent.end();
  });
}
