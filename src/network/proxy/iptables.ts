/** The iptables programs, run one at a time: they all take the same lock. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { commandEnvironment } from '../command-environment.ts';
import { runWithInput } from '../run-with-input.ts';
import { jumps, type Table } from './iptables-rules.ts';

const execute = promisify(execFile);

/** Runs a program of the iptables family; rejects with what it printed. */
export async function iptables(table: Table, ...args: string[]): Promise<string> {
  const { stdout } = await execute('iptables', ['-w', '5', '-t', table, ...args], { env: commandEnvironment });
  return stdout;
}

/** Appends a rule to a chain where it is not there yet. */
export async function ensureRule(table: Table, chain: string, rule: readonly string[]): Promise<void> {
  try {
    await iptables(table, '-C', chain, ...rule);
  } catch {
    await iptables(table, '-A', chain, ...rule);
  }
}

/** `iptables-restore --noflush`: all or nothing for each table. `launcher` is a program that runs it elsewhere. */
export function iptablesRestore(input: string, launcher: readonly string[] = []): Promise<void> {
  return runWithInput([...launcher, 'iptables-restore', '-w', '5', '--noflush'], input);
}

/** A table as iptables-save prints it. */
export async function iptablesSave(table: Table): Promise<string> {
  const { stdout } = await execute('iptables-save', ['-t', table], { env: commandEnvironment, maxBuffer: 256 * 1024 * 1024 });
  return stdout;
}

/** The jumps from the kernel's chains that are not there yet, as restore input that puts them first. */
export async function missingJumps(): Promise<string> {
  let out = '';
  for (const table of ['filter', 'nat'] as const) {
    const present = await iptablesSave(table);
    const missing = jumps.filter(
      ([t, chain, rule]) =>
        t === table &&
        !present
          .split('\n')
          .some(
            (line) =>
              line.startsWith(`-A ${chain} `) && line.endsWith(rule.slice(rule.lastIndexOf('-j'))) && line.includes(commentOf(rule)),
          ),
    );
    if (missing.length === 0) continue;
    out += `*${table}\n${missing.map(([, chain, rule]) => `-I ${chain} 1 ${rule}\n`).join('')}COMMIT\n`;
  }
  return out;
}

const commentOf = (rule: string) => /--comment ("[^"]*"|\S+)/.exec(rule)?.[1] ?? '';

/** Takes every rule and chain away whose name begins with one of the prefixes, and the jumps to them. */
export async function removeChains(prefixes: readonly string[]): Promise<void> {
  const ours = (name: string) => prefixes.some((p) => name.startsWith(p));
  for (const table of ['filter', 'nat'] as const) {
    const lines = (await iptablesSave(table)).split('\n');
    const chains = lines.filter((l) => l.startsWith(':')).map((l) => l.slice(1).split(' ')[0] ?? '');
    const mine = chains.filter(ours);
    if (mine.length === 0) continue;
    const jumpsIn = lines.filter((l) => l.startsWith('-A ') && !ours(l.split(' ')[1] ?? '') && ours(/ -j (\S+)/.exec(l)?.[1] ?? ''));
    const input = `*${table}\n${jumpsIn.map((l) => `-D${l.slice(2)}\n`).join('')}${mine.map((c) => `:${c} - [0:0]\n`).join('')}${mine.map((c) => `-X ${c}\n`).join('')}COMMIT\n`;
    await iptablesRestore(input);
  }
}
