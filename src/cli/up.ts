import { Command, InvalidArgumentError, Option } from 'commander';
import { type ClusterConfig, defaultPodCidr, defaultServiceCidr, type RuntimeName, type UpResult } from '../cluster/index.ts';
import { type ClusterSelection, dataDirOf, duration, integer, keyValue, withClusterOptions } from './cluster-options.ts';

interface Options extends ClusterSelection {
  kubeconfig?: string;
  apiPort: number;
  nodes: number;
  hollowNodes: number;
  runtime: RuntimeName;
  runtimeEndpoint?: string;
  etcdListen?: string;
  podCidr: string;
  serviceCidr: string;
  registryMirror: Record<string, string[]>;
  history?: string;
  wait: number;
  foreground: boolean;
  output?: 'json';
  apiserverArg: Record<string, string>;
  controllerManagerArg: Record<string, string>;
  schedulerArg: Record<string, string>;
  kubeletArg: Record<string, string>;
  proxyArg: Record<string, string>;
}

function mirror(text: string, before: Record<string, string[]>): Record<string, string[]> {
  const at = text.indexOf('=');
  const url = text.slice(at + 1);
  if (at <= 0 || !URL.canParse(url)) throw new InvalidArgumentError('must be HOST=URL, e.g. docker.io=http://127.0.0.1:5000.');
  const host = text.slice(0, at);
  return { ...before, [host]: [...(before[host] ?? []), url] };
}

function configOf(options: Options): ClusterConfig {
  return {
    name: options.name,
    runtime: options.runtime,
    apiPort: options.apiPort,
    bindAddress: '',
    advertiseAddress: '',
    podCidr: options.podCidr,
    serviceCidr: options.serviceCidr,
    clusterDomain: 'cluster.local',
    nodes: options.nodes,
    hollowNodes: options.hollowNodes,
    registryMirrors: options.registryMirror,
    ...(options.etcdListen ? { etcdListen: options.etcdListen } : {}),
    ...(options.runtimeEndpoint ? { runtimeEndpoint: options.runtimeEndpoint } : {}),
    args: {
      apiserver: { ...(options.history ? { history: options.history } : {}), ...options.apiserverArg },
      controllerManager: options.controllerManagerArg,
      scheduler: options.schedulerArg,
      kubelet: options.kubeletArg,
      proxy: options.proxyArg,
    },
  };
}

function tell(result: UpResult, options: Options): void {
  const seconds = (result.totalMs / 1000).toFixed(2);
  if (result.alreadyUp) console.log(`Cluster "${options.name}" is up already: ${result.server}`);
  else
    console.log(
      `Cluster "${options.name}" is up at ${result.server} after ${seconds} s, with ${result.nodes.length} node${result.nodes.length === 1 ? '' : 's'}.`,
    );
  if (result.nodePortAddress && result.nodePortAddress !== '127.0.0.1')
    console.log(`Another cluster has the network of this machine: node ports of this one answer at ${result.nodePortAddress}.`);
  console.log(`\nkubectl's context is now "${result.context}" (${result.kubeconfig}). Try:\n`);
  console.log('  kubectl get nodes');
  console.log('  kubectl create deployment hello --image=nginx');
  console.log(`  k8ts status${options.name === 'k8ts' ? '' : ` --name ${options.name}`}\n`);
}

const pairs = 'KEY=VALUE';

export function upCommand(): Command {
  return withClusterOptions(new Command('up').description('start a cluster, or what of it does not run'))
    .option('--kubeconfig <file>', 'where the context is merged into (default: $KUBECONFIG or ~/.kube/config)')
    .option('--api-port <port>', 'port of the API server (default: 6443, or a free one)', integer(0), 0)
    .option('--nodes <n>', 'number of nodes', integer(0), 1)
    .option('--hollow-nodes <n>', 'number of simulated nodes beside them', integer(0), 0)
    .addOption(new Option('--runtime <runtime>', 'what runs containers').choices(['containerd', 'hollow']).default('containerd'))
    .option('--runtime-endpoint <socket>', 'CRI socket of a runtime that runs already')
    .option('--pod-cidr <cidr>', 'addresses of pods', defaultPodCidr)
    .option('--service-cidr <cidr>', 'addresses of services', defaultServiceCidr)
    .option('--etcd-listen <host:port>', 'where the store answers as an etcd, for etcdctl and further API servers')
    .option('--registry-mirror <host=url>', 'registry that stands in for another; repeatable', mirror, {})
    .option('--history <time|size>', 'how much of the past can be read: 1h, 512Mi, or both with a comma (default: 5m)')
    .option('--wait <duration>', 'how long nodes may take to become ready', duration, 60_000)
    .option('--foreground', 'stay until interrupted, then take the cluster down', false)
    .option(
      '--apiserver-arg <flag=value>',
      `flag of kube-apiserver; repeatable (${pairs}); those of etcd's metrics, the watch cache and Go's runtime are taken without effect`,
      keyValue,
      {},
    )
    .option('--controller-manager-arg <flag=value>', 'flag of kube-controller-manager', keyValue, {})
    .option('--scheduler-arg <flag=value>', 'flag of kube-scheduler', keyValue, {})
    .option('--kubelet-arg <flag=value>', 'flag of the kubelet', keyValue, {})
    .option('--proxy-arg <flag=value>', 'flag of kube-proxy', keyValue, {})
    .addOption(new Option('-o, --output <format>', 'how to print the result').choices(['json']))
    .action(async (options: Options) => {
      const { down, up } = await import('../cluster/index.ts');
      const asText = options.output !== 'json';
      const dataDir = dataDirOf(options);
      const result = await up({
        dataDir,
        config: configOf(options),
        waitMs: options.wait,
        ...(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {}),
        onStep: ({ name, ms }) => asText && console.log(`  ${name.padEnd(32)} ${(ms / 1000).toFixed(2).padStart(6)} s`),
      });
      if (asText) tell(result, options);
      else console.log(JSON.stringify(result));
      if (!options.foreground) return;
      await new Promise<void>((resolve) => {
        process.once('SIGINT', resolve);
        process.once('SIGTERM', resolve);
        // A pending promise alone does not keep the process.
        process.stdin.resume();
      });
      process.stdin.pause();
      await down({ dataDir, keepData: true, ...(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {}) });
    });
}
