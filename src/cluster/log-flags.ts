/** --v and --logging-format, which every component takes. */
import type { LogFormat } from '../observability/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';

export const logFlags = ['v', 'logging-format'] as const;

export interface LogOptions {
  /** pino's name of what is still written. */
  level: 'info' | 'debug' | 'trace' | undefined;
  /** Undefined: k8ts' own, a JSON record of pino a line. */
  format: LogFormat | undefined;
}

const requestVerbosity = 3;
const traceVerbosity = 6;

/** @throws ClusterError in upstream's words */
export function logOptions(args: ComponentArgs): LogOptions {
  const { v, 'logging-format': format } = args;
  if (v !== undefined && !/^\d+$/.test(v))
    throw new ClusterError(
      `invalid argument ${JSON.stringify(v)} for "-v, --v" flag: strconv.ParseUint: parsing ${JSON.stringify(v)}: invalid syntax`,
    );
  if (format !== undefined && format !== 'text' && format !== 'json')
    throw new ClusterError(`format: Invalid value: ${JSON.stringify(format)}: Unsupported log format`);
  const verbosity = v === undefined ? undefined : Number(v);
  return {
    format,
    level: verbosity === undefined ? undefined : verbosity < requestVerbosity ? 'info' : verbosity < traceVerbosity ? 'debug' : 'trace',
  };
}
