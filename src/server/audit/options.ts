/** The --audit-* flags of kube-apiserver. */
import { parseGoDuration } from '../../api/index.ts';
import type { BatchOptions } from './buffered.ts';
import type { LogFormat } from './log-backend.ts';
import type { RotationOptions } from './rotating-file.ts';
import type { TruncateOptions } from './truncate.ts';

export type Mode = 'batch' | 'blocking' | 'blocking-strict';
const modes: readonly string[] = ['batch', 'blocking', 'blocking-strict'];

export interface SinkOptions {
  mode: Mode;
  batch: BatchOptions;
  truncate: TruncateOptions | undefined;
}

export interface AuditOptions {
  policyFile: string | undefined;
  log: (SinkOptions & { path: string; format: LogFormat; rotation: RotationOptions }) | undefined;
  webhook: (SinkOptions & { configFile: string; initialBackoffMs: number }) | undefined;
}

type Flags = Readonly<Record<string, string>>;

const batchFlags = (plugin: string) =>
  ['mode', 'batch-buffer-size', 'batch-max-size', 'batch-max-wait', 'batch-throttle-enable', 'batch-throttle-qps', 'batch-throttle-burst']
    .concat(['truncate-enabled', 'truncate-max-batch-size', 'truncate-max-event-size', 'version'])
    .map((name) => `audit-${plugin}-${name}`);

/** Every flag that `auditOptions` reads. */
export const auditFlags: readonly string[] = [
  'audit-policy-file',
  'audit-log-path',
  'audit-log-format',
  'audit-log-maxage',
  'audit-log-maxbackup',
  'audit-log-maxsize',
  'audit-log-compress',
  'audit-webhook-config-file',
  'audit-webhook-initial-backoff',
  ...batchFlags('log'),
  ...batchFlags('webhook'),
];

const mib = 1024 * 1024;

function reader(flags: Flags) {
  const invalid = (name: string, value: string, why: string) =>
    new Error(`invalid argument ${JSON.stringify(value)} for "--${name}" flag: ${why}`);
  return {
    text: (name: string) => flags[name] || undefined,
    number(name: string, otherwise: number) {
      const value = flags[name];
      if (value === undefined) return otherwise;
      if (!/^-?\d+(\.\d+)?$/.test(value)) throw invalid(name, value, `strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
      return Number(value);
    },
    flag(name: string, otherwise: boolean) {
      const value = flags[name];
      if (value === undefined) return otherwise;
      if (value === '' || value === 'true') return true;
      if (value === 'false') return false;
      throw invalid(name, value, `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
    },
    durationMs(name: string, otherwiseMs: number) {
      const value = flags[name];
      if (value === undefined) return otherwiseMs;
      const nanos = parseGoDuration(value);
      if (nanos === undefined) throw invalid(name, value, `time: invalid duration ${JSON.stringify(value)}`);
      return Number(nanos) / 1e6;
    },
  };
}

function sinkOptions(
  flags: Flags,
  plugin: 'log' | 'webhook',
  otherwise: { mode: Mode; maxBatchSize: number; maxWaitMs: number; throttled: boolean },
): SinkOptions {
  const read = reader(flags);
  const name = (suffix: string) => `audit-${plugin}-${suffix}`;
  const mode = read.text(name('mode')) ?? otherwise.mode;
  if (!modes.includes(mode)) throw new Error(`invalid audit ${plugin} mode ${mode}, allowed modes are ${JSON.stringify(modes.join(','))}`);
  const positive = (value: number, what: string) => {
    if (mode === 'batch' && !(value > 0)) throw new Error(`invalid audit batch ${plugin} ${what} ${value}, must be a positive number`);
    return value;
  };
  const bufferSize = positive(read.number(name('batch-buffer-size'), 10_000), 'buffer size');
  const maxBatchSize = positive(read.number(name('batch-max-size'), otherwise.maxBatchSize), 'max batch size');
  const isThrottled = read.flag(name('batch-throttle-enable'), otherwise.throttled);
  const qps = read.number(name('batch-throttle-qps'), 10);
  const burst = read.number(name('batch-throttle-burst'), 15);
  if (isThrottled) {
    positive(qps, 'throttle QPS');
    positive(burst, 'throttle burst');
  }
  const maxEventBytes = read.number(name('truncate-max-event-size'), 100 * 1024);
  const maxBatchBytes = read.number(name('truncate-max-batch-size'), 10 * mib);
  if (maxEventBytes <= 0) throw new Error(`invalid audit truncate ${plugin} max event size ${maxEventBytes}, must be a positive number`);
  if (maxBatchBytes < maxEventBytes)
    throw new Error(
      `invalid audit truncate ${plugin} max batch size ${maxBatchBytes}, must be greater than max event size (${maxEventBytes})`,
    );
  const version = read.text(name('version')) ?? 'audit.k8s.io/v1';
  if (version !== 'audit.k8s.io/v1') throw new Error('invalid group version, allowed versions are ["audit.k8s.io/v1"]');
  return {
    mode: mode as Mode, // one of the modes, by the check above
    batch: {
      bufferSize,
      maxBatchSize,
      maxWaitMs: read.durationMs(name('batch-max-wait'), otherwise.maxWaitMs),
      ...(isThrottled ? { throttle: { qps, burst } } : {}),
    },
    truncate: read.flag(name('truncate-enabled'), false) ? { maxEventBytes, maxBatchBytes } : undefined,
  };
}

/** The flags with upstream's defaults and checks; undefined where none switches a backend on. Throws in upstream's words. */
export function auditOptions(flags: Flags): AuditOptions | undefined {
  const read = reader(flags);
  const path = read.text('audit-log-path');
  const configFile = read.text('audit-webhook-config-file');
  const format = read.text('audit-log-format') ?? 'json';
  if (format !== 'json' && format !== 'legacy') throw new Error(`invalid audit log format ${format}, allowed formats are "legacy,json"`);
  const limit = (name: string) => {
    const value = read.number(name, 0);
    if (value < 0) throw new Error(`--${name} ${value} can't be a negative number`);
    return value;
  };
  const maxAgeDays = limit('audit-log-maxage');
  const maxBackups = limit('audit-log-maxbackup');
  const maxSize = limit('audit-log-maxsize');
  const log = sinkOptions(flags, 'log', { mode: 'blocking', maxBatchSize: 1, maxWaitMs: 0, throttled: false });
  const webhook = sinkOptions(flags, 'webhook', { mode: 'batch', maxBatchSize: 400, maxWaitMs: 30_000, throttled: true });
  if (path === undefined && configFile === undefined) return undefined;
  return {
    policyFile: read.text('audit-policy-file'),
    log:
      path === undefined
        ? undefined
        : {
            ...log,
            path,
            format,
            // Lumberjack's own limit where none is given.
            rotation: { maxBytes: (maxSize || 100) * mib, maxAgeDays, maxBackups, compress: read.flag('audit-log-compress', false) },
          },
    webhook:
      configFile === undefined
        ? undefined
        : { ...webhook, configFile, initialBackoffMs: read.durationMs('audit-webhook-initial-backoff', 10_000) },
  };
}
