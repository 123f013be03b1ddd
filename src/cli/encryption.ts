import { Command, Option } from 'commander';
import type { RewriteProgress, RewriteResult } from '../cluster/index.ts';
import { systemClock as clock } from '../time/index.ts';
import { type ClusterSelection, dataDirOf, withClusterOptions } from './cluster-options.ts';

interface Options extends ClusterSelection {
  resource: string[];
  output?: 'json';
}

const objects = (count: number) => `${count} ${count === 1 ? 'object' : 'objects'}`;

/** One line that changes on a terminal; elsewhere a line for each resource that has objects. */
function showProgress({ resource, rewritten, current, failed, done }: RewriteProgress): void {
  const seen = rewritten + current + failed;
  const line = `${resource}: ${objects(seen)}, ${rewritten} rewritten${failed > 0 ? `, ${failed} failed` : ''}`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${done && seen > 0 ? `${line}\n` : line}`);
  else if (done && seen > 0) process.stderr.write(`${line}\n`);
}

function summary({ resources, failures }: RewriteResult): string {
  const total = (of: (progress: RewriteProgress) => number) => resources.reduce((sum, progress) => sum + of(progress), 0);
  const gone = total((p) => p.gone);
  const words = [
    `Rewrote ${objects(total((p) => p.rewritten))}; ${total((p) => p.current)} were written by the present key already`,
    ...(gone > 0 ? [`${gone} were deleted meanwhile`] : []),
    ...(failures.length > 0 ? [`${failures.length} failed`] : []),
  ];
  const each = failures.map(
    ({ resource, namespace, name, message }) => `  ${resource} ${namespace ? `${namespace}/` : ''}${name}: ${message}`,
  );
  return [`${words.join('; ')}.`, ...each].join('\n');
}

function rewriteCommand(): Command {
  return withClusterOptions(
    new Command('rewrite').description(
      'have every stored object written anew by the key that writes now; may be interrupted and run again',
    ),
  )
    .option(
      '--resource <names>',
      'only these, e.g. secrets,deployments.apps; repeatable',
      (text, before: string[]) => [...before, ...text.split(',')],
      [],
    )
    .addOption(new Option('-o, --output <format>', 'how to print the result').choices(['json']))
    .action(async (options: Options) => {
      const { rewriteCluster } = await import('../cluster/index.ts');
      const result = await rewriteCluster(dataDirOf(options), {
        resources: options.resource.filter((name) => name !== ''),
        clock,
        ...(options.output === 'json' ? {} : { onProgress: showProgress }),
      });
      if (process.stderr.isTTY && options.output !== 'json') process.stderr.write('\r\x1b[K');
      console.log(options.output === 'json' ? JSON.stringify(result) : summary(result));
      if (result.failures.length > 0) process.exitCode = 1;
    });
}

export function encryptionCommand(): Command {
  return new Command('encryption').description('encryption at rest').addCommand(rewriteCommand());
}
