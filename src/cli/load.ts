import { Command } from 'commander';
import { type ClusterSelection, dataDirOf, withClusterOptions } from './cluster-options.ts';

export function loadCommand(): Command {
  return withClusterOptions(new Command('load').description('import images into all nodes'))
    .argument('<archive>', 'an OCI or docker-save tar')
    .action(async (archive: string, options: ClusterSelection) => {
      const { loadImages } = await import('../cluster/index.ts');
      const nodes = await loadImages(dataDirOf(options), archive);
      console.log(`Loaded ${archive} into ${nodes.join(', ')}.`);
    });
}
