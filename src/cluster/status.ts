/** What `k8ts status` tells. */
import { Node } from '../api/index.ts';
import { connectionOf, createClient, httpsTransport, loadKubeconfig } from '../client/index.ts';
import { ClusterError } from './cluster-error.ts';
import { readConfig, runningProcesses } from './cluster-files.ts';
import { layoutOf } from './layout.ts';
import { records } from './processes.ts';

export interface ClusterStatus {
  name: string;
  runtime: string;
  server: string;
  processes: { component: string; pid: number; running: boolean }[];
  /** What /readyz says; `unreachable` where nobody answers. */
  apiServer: string;
  nodes: { name: string; ready: boolean }[];
}

export async function clusterStatus(dataDir: string): Promise<ClusterStatus> {
  const layout = layoutOf(dataDir);
  const config = readConfig(layout);
  if (!config) throw new ClusterError(`there is no cluster in ${dataDir}; "k8ts up" makes one`);
  const alive = new Set(runningProcesses(layout).map((p) => p.pid));
  const connection = await connectionOf(await loadKubeconfig(layout.kubeconfig));
  const client = createClient(httpsTransport(connection));
  try {
    const [apiServer, nodes] = await Promise.all([
      client.raw('GET', '/readyz').then(String, () => 'unreachable'),
      client.list(Node).then(
        (list) => list.items,
        () => [],
      ),
    ]);
    return {
      name: config.name,
      runtime: config.runtime,
      server: connection.server,
      processes: records(layout).map(({ component, pid }) => ({ component, pid, running: alive.has(pid) })),
      apiServer,
      nodes: nodes.map((n) => ({
        name: n.metadata.name,
        ready: n.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false,
      })),
    };
  } finally {
    await client.close();
  }
}
