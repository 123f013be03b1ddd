/** What `k8ts status` tells. */
import { Node } from '../api/index.ts';
import { connectionOf, createClient, httpsTransport, loadKubeconfig } from '../client/index.ts';
import { ClusterError } from './cluster-error.ts';
import { readConfig, runningProcesses } from './cluster-files.ts';
import { nodeNames } from './config.ts';
import { layoutOf } from './layout.ts';
import { nodePortAddress, placementOf } from './placement.ts';
import { records } from './processes.ts';

export interface NodeState {
  name: string;
  ready: boolean;
  addresses: { type: string; address: string }[];
  podCIDR?: string;
  /** The network namespace that the node lives in, where it is not the host's. */
  namespace?: string;
}

export interface ClusterStatus {
  name: string;
  runtime: string;
  server: string;
  processes: { component: string; pid: number; running: boolean }[];
  /** What /readyz says; `unreachable` where nobody answers. */
  apiServer: string;
  nodes: NodeState[];
  /** Where node ports answer on this machine; absent without real nodes. */
  nodePortAddress?: string;
}

export async function clusterStatus(dataDir: string): Promise<ClusterStatus> {
  const layout = layoutOf(dataDir);
  const config = readConfig(layout);
  if (!config) throw new ClusterError(`there is no cluster in ${dataDir}; "k8ts up" makes one`);
  const alive = new Set(runningProcesses(layout).map((p) => p.pid));
  const portAddress = nodePortAddress(layout, config);
  const real = new Set(nodeNames(config).real);
  const namespaceOf = (name: string) => (real.has(name) ? placementOf(layout, config, name).namespace : undefined);
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
      nodes: nodes.map((node) => nodeState(node, namespaceOf(node.metadata.name))),
      ...(portAddress ? { nodePortAddress: portAddress } : {}),
    };
  } finally {
    await client.close();
  }
}

function nodeState({ metadata, spec, status }: Node, namespace: string | undefined): NodeState {
  return {
    name: metadata.name,
    ready: status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false,
    addresses: status?.addresses ?? [],
    ...(spec.podCIDR ? { podCIDR: spec.podCIDR } : {}),
    ...(namespace ? { namespace } : {}),
  };
}
