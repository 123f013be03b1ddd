import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';

/** A port number of a flag, in upstream's words where it is none. */
export function portFlag(args: ComponentArgs, name: string): number | undefined {
  const text = args[name];
  if (text === undefined) return undefined;
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw new ClusterError(`--${name} ${text} must be between 0 and 65535, inclusive`);
  return port;
}
