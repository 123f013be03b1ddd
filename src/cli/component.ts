import { Command } from 'commander';
import { keyValue } from './cluster-options.ts';
import { componentFlags } from './component-flags.ts';

interface Separate {
  dataDir: string;
  /** Of a component that talks to an API server. */
  server?: string;
  kubeconfig?: string;
  /** Upstream's flags. */
  args: Record<string, string>;
}

type Given = Partial<Omit<Separate, 'args'>> & { arg: Record<string, string> };

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
  const separate = (name: string, description: string, run: (options: Separate) => Promise<void>) =>
    command
      .command(name)
      .description(`${description}; it takes the flags of upstream's`)
      .option('--data-dir <dir>', 'has pki/ and cluster.json, as up makes them; what is not there is made')
      .option('--arg <flag=value>', `flag of ${name}, as --flag=value; repeatable`, keyValue, {})
      .allowUnknownOption()
      .allowExcessArguments()
      .action(async ({ arg, dataDir, ...options }: Given, own: Command) => {
        const args = { ...arg, ...componentFlags(name, own.args) };
        const version = await (await import('../cluster/index.ts')).versionAsked(args);
        if (version !== undefined) return console.log(version);
        if (!dataDir) return own.error("error: required option '--data-dir <dir>' not specified");
        await run({ ...options, dataDir, args });
      });
  const connected: typeof separate = (...how) =>
    separate(...how)
      .option('--server <url>', 'the API server')
      .option('--kubeconfig <file>', 'says where the API server is and with which credentials to talk to it');
  separate('kube-apiserver', 'run an API server alone; several may share an etcd', async (options) =>
    (await import('../cluster/index.ts')).runApiServerProcess(options),
  );
  connected('kube-controller-manager', 'run a controller manager alone; of several one leads', async (options) =>
    (await import('../cluster/index.ts')).runControllerManagerProcess(options),
  );
  connected('kube-scheduler', 'run a scheduler alone; of several one leads', async (options) =>
    (await import('../cluster/index.ts')).runSchedulerProcess(options),
  );
  return command;
}
