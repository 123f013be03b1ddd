/** What clusters leave in the kernel and among processes: for tests that nothing stays behind. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './cluster.ts';

/** Everything that a cluster in `dataDir` may have made, one line each. */
export async function traces(dataDir: string): Promise<Set<string>> {
  const [links, namespaces, ...rules] = await Promise.all(
    [
      ['ip', '-o', 'link'],
      ['ip', 'netns', 'list'],
      ['iptables-save'],
      ['ip6tables-save'],
      ['ip', 'rule'],
      ['ip', 'route', 'show', 'table', 'all'],
    ].map(async ([program = '', ...args]) => (await run(program, args)).stdout.split('\n')),
  );
  return new Set([
    ...processesOf(dataDir),
    ...mounts().map((point) => `mount ${point}`),
    ...(links ?? []).filter(Boolean).map((line) => `link ${line.split(': ')[1]?.split('@')[0]}`),
    ...(namespaces ?? []).filter(Boolean).map((line) => `netns ${line.split(' ')[0]}`),
    // Own chains and rules; the built-in chains appear with the first look at a table.
    ...rules
      .flat()
      .filter((line) => /^(-A|:\S+ -|\d+:|\d+\.|local|broadcast)/.test(line))
      .map((line) => line.replace(/ \[\d+:\d+\]/, '')),
    ...cgroups(),
  ]);
}

function processesOf(dataDir: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(dataDir) && !command.includes('vitest') ? [`process ${pid} ${command}`] : [];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

const mounts = () =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');

function cgroups(): string[] {
  const base = '/sys/fs/cgroup';
  const hierarchies = existsSync(join(base, 'cgroup.controllers')) ? [base] : readdirSync(base).map((name) => join(base, name));
  return hierarchies.flatMap((dir) =>
    readdirSync(dir)
      .filter((name) => name.startsWith('k8ts'))
      .map((name) => `cgroup ${join(dir, name)}`),
  );
}
