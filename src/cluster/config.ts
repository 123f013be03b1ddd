/** What a local cluster is made of; written to its data directory by `k8ts up` and read by everything after. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { addressAt, formatIp, networkOf, parseCidr } from '../api/index.ts';

export type RuntimeName = 'containerd' | 'hollow';

/** Flags handed through to a component, e.g. `{ 'enable-admission-plugins': 'AlwaysPullImages' }`. */
export type ComponentArgs = Readonly<Record<string, string>>;

export interface ClusterConfig {
  name: string;
  runtime: RuntimeName;
  /** Where the API server listens; 0 until one was chosen. */
  apiPort: number;
  bindAddress: string;
  /** The address that nodes and pods reach the API server by. */
  advertiseAddress: string;
  podCidr: string;
  serviceCidr: string;
  /** Whether the first real node lives in the host's network namespace; decided by `up`. */
  hostNetwork?: boolean;
  /** Addresses of nodes in namespaces of their own, the first of them the host's; chosen by `up`. */
  nodeCidr?: string;
  clusterDomain: string;
  /** Nodes of the chosen runtime; a real one has an agent process of its own. */
  nodes: number;
  /** Simulated nodes beside them; all simulated nodes are in one agent process. */
  hollowNodes: number;
  /** Registry host to the URLs that stand in for it, tried in order. */
  registryMirrors: Readonly<Record<string, readonly string[]>>;
  /** A CRI socket of somebody else's runtime; by default k8ts starts a containerd of its own. */
  runtimeEndpoint?: string;
  /** Where the store answers as an etcd, `HOST:PORT`; by default it does not. */
  etcdListen?: string;
  args: {
    apiserver: ComponentArgs;
    controllerManager: ComponentArgs;
    scheduler: ComponentArgs;
    kubelet: ComponentArgs;
    proxy: ComponentArgs;
  };
}

export const defaultPodCidr = '10.244.0.0/16';
export const defaultServiceCidr = '10.96.0.0/16';
export const defaultApiPort = 6443;

/** `/var/lib/k8ts/NAME` for root, below the user's home otherwise. */
export function defaultDataDir(name: string): string {
  const base = process.getuid?.() === 0 ? '/var/lib/k8ts' : join(process.env.XDG_DATA_HOME ?? join(homedir(), '.local/share'), 'k8ts');
  return join(base, name);
}

/** The nth address of a CIDR: `nthAddress('10.96.0.0/16', 10)` is `10.96.0.10`. */
export function nthAddress(text: string, n: number): string {
  const cidr = parseCidr(text);
  if (!cidr) throw new RangeError(`${JSON.stringify(text)} is no CIDR`);
  return formatIp(addressAt(cidr, n));
}

/** The DNS service's address, the tenth of the service range as kubeadm has it. */
export function clusterDnsAddress(config: Pick<ClusterConfig, 'serviceCidr'>): string {
  return nthAddress(config.serviceCidr, 10);
}

/** Names of the cluster's real and simulated nodes: the nodes of the chosen runtime, and the simulated ones beside them. */
export function nodeNames(config: ClusterConfig): { real: string[]; hollow: string[] } {
  const nodes = Array.from({ length: config.nodes }, (_, i) => nodeName(config.name, i));
  const beside = Array.from({ length: config.hollowNodes }, (_, i) => `hollow-node-${i}`);
  return config.runtime === 'hollow' ? { real: [], hollow: [...nodes, ...beside] } : { real: nodes, hollow: beside };
}

function nodeName(cluster: string, index: number): string {
  return index === 0 ? `${cluster}-control-plane` : `${cluster}-worker${index === 1 ? '' : index}`;
}

/** Why a configuration can't be, in one sentence; undefined where it can. */
export function configProblem(config: ClusterConfig): string | undefined {
  if (!/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(config.name))
    return `invalid cluster name ${JSON.stringify(config.name)}: it must consist of at most 40 lower case letters, digits and '-', and start and end with a letter or digit`;
  if (config.runtime !== 'containerd' && config.runtime !== 'hollow')
    return `unknown runtime ${JSON.stringify(config.runtime)}: use containerd or hollow`;
  for (const [flag, cidr] of [
    ['pod-cidr', config.podCidr],
    ['service-cidr', config.serviceCidr],
  ] as const) {
    const problem = cidrProblem(cidr);
    if (problem) return `invalid --${flag} ${JSON.stringify(cidr)}: ${problem}`;
  }
  const ranges = config.args.apiserver['service-cluster-ip-range'];
  if (ranges && ranges.split(',')[0] !== config.serviceCidr)
    return `invalid --apiserver-arg service-cluster-ip-range=${ranges}: its first range must be that of --service-cidr, ${config.serviceCidr}`;
  if (!Number.isInteger(config.apiPort) || config.apiPort < 0 || config.apiPort > 65535) return `invalid --api-port: ${config.apiPort}`;
  if (!Number.isInteger(config.nodes) || config.nodes < 0 || config.nodes > 64) return `invalid --nodes ${config.nodes}: must be 0 to 64`;
  if (config.runtimeEndpoint && config.nodes > 1) return `invalid --nodes ${config.nodes}: a runtime of --runtime-endpoint serves one node`;
  if (config.etcdListen && !/^[^/]*[^/:]:\d{1,5}$/.test(config.etcdListen))
    return `invalid --etcd-listen ${JSON.stringify(config.etcdListen)}: must be HOST:PORT`;
  if (config.etcdListen && config.args.apiserver['etcd-servers'])
    return 'invalid --etcd-listen: with --etcd-servers the objects are in an etcd, which listens itself';
  if (!Number.isInteger(config.hollowNodes) || config.hollowNodes < 0) return `invalid --hollow-nodes ${config.hollowNodes}`;
  return undefined;
}

function cidrProblem(text: string): string | undefined {
  const cidr = parseCidr(text);
  if (cidr?.address.family !== 4) return 'not an IPv4 CIDR such as 10.244.0.0/16';
  if (cidr.prefixLength < 8 || cidr.prefixLength > 24) return 'the prefix length must be 8 to 24';
  return networkOf(cidr).value === cidr.address.value ? undefined : 'host bits are set';
}
