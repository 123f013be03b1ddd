import { type Command, InvalidArgumentError } from 'commander';
import { defaultDataDir } from '../cluster/index.ts';

/** Which cluster a command is about. */
export interface ClusterSelection {
  name: string;
  dataDir?: string;
}

export function withClusterOptions(command: Command): Command {
  return command.option('--name <name>', 'name of the cluster', 'k8ts').option('--data-dir <dir>', 'where the cluster keeps its files');
}

export const dataDirOf = (options: ClusterSelection) => options.dataDir ?? defaultDataDir(options.name);

/** A whole number of at least `least`. */
export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(`must be a whole number of at least ${least}.`);
    return value;
  };
}

/** Collects `KEY=VALUE` of a repeatable option. */
export function keyValue(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('must be KEY=VALUE.');
  return { ...before, [text.slice(0, at).replace(/^--/, '')]: text.slice(at + 1) };
}

/** `60s`, `5m`, `500ms` in milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (!match) throw new InvalidArgumentError('must be a duration such as 60s or 5m.');
  return Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1000);
}
