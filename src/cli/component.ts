import { Command } from 'commander';

/** What `k8ts up` starts in the background. */
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
  return command;
}
