import { Command } from 'commander';
import { integer, keyValue } from './cluster-options.ts';

interface Separate {
  dataDir: string;
  arg: Record<string, string>;
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
      .description(description)
      .requiredOption('--data-dir <dir>', 'has cluster.json and pki/, as up makes them')
      .option('--arg <flag=value>', `flag of ${name}; repeatable`, keyValue, {});
  separate('kube-apiserver', 'run an API server alone; several may share an etcd')
    .option('--secure-port <port>', 'where it listens', integer(1))
    .option('--bind-address <address>', 'on which address')
    .option('--advertise-address <address>', 'the address that the cluster reaches it by')
    .action(async ({ arg, ...options }: Separate & { securePort?: number; bindAddress?: string; advertiseAddress?: string }) =>
      (await import('../cluster/index.ts')).runApiServerProcess({ ...options, args: arg }),
    );
  separate('kube-controller-manager', 'run a controller manager alone; of several one leads')
    .option('--server <url>', 'the API server')
    .action(async ({ arg, ...options }: Separate & { server?: string }) =>
      (await import('../cluster/index.ts')).runControllerManagerProcess({ ...options, args: arg }),
    );
  separate('kube-scheduler', 'run a scheduler alone; of several one leads')
    .option('--server <url>', 'the API server')
    .action(async ({ arg, ...options }: Separate & { server?: string }) =>
      (await import('../cluster/index.ts')).runSchedulerProcess({ ...options, args: arg }),
    );
  return command;
}
