import { Command } from 'commander';
import { type ClusterSelection, dataDirOf, withClusterOptions } from './cluster-options.ts';

export function downCommand(): Command {
  return withClusterOptions(new Command('down').description('stop a cluster and remove what it left'))
    .option('--keep-data', 'keep all objects for the next up', false)
    .option('--kubeconfig <file>', 'where its context is removed from')
    .action(async (options: ClusterSelection & { keepData: boolean; kubeconfig?: string }) => {
      const { down } = await import('../cluster/index.ts');
      const found = await down({
        dataDir: dataDirOf(options),
        keepData: options.keepData,
        ...(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {}),
      });
      console.log(
        found
          ? `Cluster "${options.name}" is down${options.keepData ? '; its data is kept' : ''}.`
          : `There is no cluster "${options.name}".`,
      );
    });
}
