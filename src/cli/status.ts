import { Command, Option } from 'commander';
import { type ClusterSelection, dataDirOf, withClusterOptions } from './cluster-options.ts';

export function statusCommand(): Command {
  return withClusterOptions(new Command('status').description('show how a cluster is'))
    .addOption(new Option('-o, --output <format>', 'how to print it').choices(['json']))
    .action(async (options: ClusterSelection & { output?: 'json' }) => {
      const { clusterStatus } = await import('../cluster/index.ts');
      const status = await clusterStatus(dataDirOf(options));
      const healthy = status.apiServer === 'ok' && status.nodes.every((n) => n.ready) && status.processes.every((p) => p.running);
      process.exitCode = healthy ? 0 : 1;
      if (options.output === 'json') return console.log(JSON.stringify(status));
      console.log(`${status.name} (${status.runtime}) ${status.server}: ${status.apiServer}`);
      for (const { component, pid, running } of status.processes)
        console.log(`  ${component.padEnd(32)} ${running ? `running (pid ${pid})` : 'not running'}`);
      const ready = status.nodes.filter((n) => n.ready).length;
      if (status.nodes.length <= 10)
        for (const { name, ready, addresses } of status.nodes)
          console.log(
            `  ${name.padEnd(32)} ${ready ? 'Ready' : 'NotReady'} ${addresses.find((a) => a.type === 'InternalIP')?.address ?? ''}`,
          );
      console.log(`  nodes: ${ready} of ${status.nodes.length} ready`);
      if (status.nodePortAddress) console.log(`  node ports answer at ${status.nodePortAddress}`);
    });
}
