import { Command, Option } from 'commander';
import type { FieldChange, ObjectChange } from '../cluster/index.ts';
import { type ClusterSelection, dataDirOf, duration, withClusterOptions } from './cluster-options.ts';

type Selection = ClusterSelection & { output?: 'json' };

const command = (name: string, description: string) =>
  withClusterOptions(new Command(name).description(description)).addOption(
    new Option('-o, --output <format>', 'how to print the result').choices(['json']),
  );

const size = (bytes: number) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const time = (ms: number | undefined) => (ms === undefined ? 'no time known' : new Date(ms).toISOString());

function print(options: Selection, result: unknown, text: string): void {
  console.log(options.output === 'json' ? JSON.stringify(result) : text);
}

function checkCommand(): Command {
  return command('check', 'read all of it and say whether it fits together; beside a running cluster too').action(
    async (options: Selection) => {
      const { checkClusterStore } = await import('../cluster/index.ts');
      const result = await checkClusterStore(dataDirOf(options));
      const { keys, entries, leases, revision, compactRevision, historyBeginMs, sizeBytes, problems } = result;
      process.exitCode = problems.length > 0 ? 1 : 0;
      const facts = [
        `${keys} keys, ${entries} entries, ${leases} leases, ${size(sizeBytes)}; revision ${revision}`,
        `history from revision ${compactRevision} (${time(historyBeginMs)})`,
      ];
      print(
        options,
        result,
        problems.length > 0
          ? ['The store is damaged:', ...problems.map((p) => `  ${p}`)].join('\n')
          : ['The store is sound.', ...facts].join('\n'),
      );
    },
  );
}

function compactCommand(): Command {
  return command('compact', 'forget all history and give the room back to the disk; in a running cluster too').action(
    async (options: Selection) => {
      const { compactClusterStore } = await import('../cluster/index.ts');
      const result = await compactClusterStore(dataDirOf(options));
      print(
        options,
        result,
        `Compacted to revision ${result.revision}: ${size(result.beforeBytes)} before, ${size(result.afterBytes)} now.`,
      );
    },
  );
}

function backupCommand(): Command {
  return command('backup', 'copy it as it is at this moment into a file; beside a running cluster too')
    .argument('<file>', 'a new file')
    .action(async (file: string, options: Selection) => {
      const { backupClusterStore } = await import('../cluster/index.ts');
      const result = await backupClusterStore(dataDirOf(options), file);
      print(options, result, `Backed up ${result.keys} keys at revision ${result.revision} to ${file} (${size(result.sizeBytes)}).`);
    });
}

function restoreCommand(): Command {
  return command('restore', 'put a backup in its place; the cluster must be down')
    .argument('<file>', 'what backup wrote')
    .action(async (file: string, options: Selection) => {
      const { restoreClusterStore } = await import('../cluster/index.ts');
      const result = await restoreClusterStore(dataDirOf(options), file);
      const kept = result.before ? ` What was there is ${result.before}.` : '';
      print(options, result, `Restored ${result.keys} keys from ${file}; revisions go on at ${result.revision}.${kept}`);
    });
}

interface LogOptions extends Selection {
  since?: number;
  namespace?: string;
  all: boolean;
}

function logCommand(): Command {
  return command('log', 'who changed what, when; as far back as history is kept (k8ts up --history)')
    .argument('[kind/name]', 'an object (deployment/web), or a kind (deployments)')
    .option('--since <duration>', 'only what is younger, e.g. 10m', duration)
    .option('-n, --namespace <namespace>', 'only this namespace')
    .option('--all', 'Leases and Events too', false)
    .action(async (subject: string | undefined, options: LogOptions) => {
      const { readStoreLog } = await import('../cluster/index.ts');
      const [kind, name] = subject?.split('/') ?? [];
      const each = (change: ObjectChange) => console.log(options.output === 'json' ? JSON.stringify(change) : describe(change));
      await readStoreLog(
        dataDirOf(options),
        {
          ...(kind ? { kind } : {}),
          ...(name ? { name } : {}),
          ...(options.namespace ? { namespace: options.namespace } : {}),
          ...(options.since === undefined ? {} : { agoMs: options.since }),
          all: options.all,
        },
        each,
      );
    });
}

function describe({ time: at, type, kind, namespace, name, key, managers, changes, revision }: ObjectChange): string {
  const what = name === undefined ? key : `${kind} ${namespace ? `${namespace}/` : ''}${name}`;
  const by = managers.length > 0 ? ` by ${managers.join(', ')}` : '';
  const head = `${at ?? 'at an unknown time'} #${revision} ${type} ${what}${by}`;
  return [head, ...(changes ?? []).map((change) => `    ${describeField(change)}`)].join('\n');
}

const longestValue = 160;

function describeField({ path, before, after }: FieldChange): string {
  const value = (of: unknown) => {
    const text = JSON.stringify(of);
    return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
  };
  if (before === undefined) return `+ ${path}: ${value(after)}`;
  return after === undefined ? `- ${path}: ${value(before)}` : `${path}: ${value(before)} → ${value(after)}`;
}

export function storeCommand(): Command {
  return new Command('store')
    .description("look after a cluster's store, and look into its past")
    .addCommand(checkCommand())
    .addCommand(compactCommand())
    .addCommand(backupCommand())
    .addCommand(restoreCommand())
    .addCommand(logCommand());
}
