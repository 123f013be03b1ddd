import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { type ClusterSelection, dataDirOf, withClusterOptions } from './cluster-options.ts';

export function kubeconfigCommand(): Command {
  return withClusterOptions(new Command('kubeconfig').description("print the administrator's kubeconfig")).action(
    async (options: ClusterSelection) => {
      const { adminKubeconfig } = await import('../cluster/index.ts');
      process.stdout.write(await readFile(adminKubeconfig(dataDirOf(options)), 'utf8'));
    },
  );
}
