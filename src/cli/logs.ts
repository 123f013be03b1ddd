import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { type ClusterSelection, dataDirOf, withClusterOptions } from './cluster-options.ts';

export function logsCommand(): Command {
  return withClusterOptions(new Command('logs').description("print a component's log; without a name, list the components"))
    .argument('[component]', 'control-plane, node-NAME, containerd-NAME, hollow-nodes')
    .option('-f, --follow', 'go on printing what is added', false)
    .action(async (component: string | undefined, options: ClusterSelection & { follow: boolean }) => {
      const { ClusterError, logFiles } = await import('../cluster/index.ts');
      const files = logFiles(dataDirOf(options));
      if (component === undefined) return console.log([...files.keys()].join('\n'));
      const file = files.get(component);
      if (!file)
        throw new ClusterError(`there is no log of ${JSON.stringify(component)}; there are: ${[...files.keys()].join(', ') || 'none'}`);
      const tail = spawn('tail', ['-n', '+1', ...(options.follow ? ['-F'] : []), file], { stdio: 'inherit' });
      await new Promise((resolve) => tail.once('exit', resolve));
    });
}
