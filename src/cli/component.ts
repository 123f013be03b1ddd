import { Command } from 'commander';
import { keyValue } from './cluster-options.ts';
import { componentFlags } from './component-flags.ts';

interface Separate {
  dataDir: string;
  arg: Record<string, string>;
}

interface Connected extends Separate {
  server?: string;
  kubeconfig?: string;
}

/** What `k8ts up` starts in the background, and the control plane's parts on their own. */
export function componentCommand(): Command {
  const command = new Command('component').description('run a part of a cluster; started by up');
  command
    .command('control-plane')
    .requiredOption('--data-dir <dir>')
    .action(async ({ dataDir }: { dataDir: string }) => (await import('../cluster/index.ts')).runControlPlaneProcess(dataDir));
  command
    .command('node')
    .requiredOption('--data-dir <dir>')
    .requiredOption('--node <name>')
    .action(async ({ dataDir, node }: { dataDir: string; node: string }) =>
      (await import('../cluster/index.ts')).runNodeProcess(dataDir, node),
    );
  command
    .command('hollow-nodes')
    .requiredOption('--data-dir <dir>')
    .action(async ({ dataDir }: { dataDir: string }) => (await import('../cluster/index.ts')).runHollowNodesProcess(dataDir));
  const separate = (name: string, description: string) =>
    command
      .command(name)
      .description(`${description}; it takes the flags of upstream's`)
      .requiredOption('--data-dir <dir>', 'has pki/ and cluster.json, as up makes them; what is not there is made')
      .option('--arg <flag=value>', `flag of ${name}, as --flag=value; repeatable`, keyValue, {})
      .allowUnknownOption()
      .allowExcessArguments();
  const flagsOf = (name: string, { arg }: Separate, { args }: Command) => ({ ...arg, ...componentFlags(name, args) });
  separate('kube-apiserver', 'run an API server alone; several may share an etcd').action(async (options: Separate, own: Command) =>
    (await import('../cluster/index.ts')).runApiServerProcess({
      dataDir: options.dataDir,
      args: flagsOf('kube-apiserver', options, own),
    }),
  );
  separate('kube-controller-manager', 'run a controller manager alone; of several one leads')
    .option('--server <url>', 'the API server')
    .option('--kubeconfig <file>', 'says where the API server is and with which credentials to talk to it')
    .action(async (options: Connected, own: Command) =>
      (await import('../cluster/index.ts')).runControllerManagerProcess({
        ...options,
        args: flagsOf('kube-controller-manager', options, own),
      }),
    );
  separate('kube-scheduler', 'run a scheduler alone; of several one leads')
    .option('--server <url>', 'the API server')
    .option('--kubeconfig <file>', 'says where the API server is and with which credentials to talk to it')
    .action(async (options: Connected, own: Command) =>
      (await import('../cluster/index.ts')).runSchedulerProcess({ ...options, args: flagsOf('kube-scheduler', options, own) }),
    );
  return command;
}
