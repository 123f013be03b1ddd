/** The --audit-* flags of kube-apiserver. */
import { readGoDuration } from '../../api/index.ts';
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
  'audit-webhook-batch-initial-backoff',
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
      const nanos = readGoDuration(value);
      if (typeof nanos === 'string') throw invalid(name, value, nanos);
      return Number(nanos) / 1e6;
    },
  };
}

interface SinkDefaults {
  mode: Mode;
  maxBatchSize: number;
  maxWaitMs: number;
  throttle: { enabled: boolean; qps: number; burst: number };
  /** Whether a batch need not wait until the one before has been taken. */
  concurrent: boolean;
}

/** `isEnabled`: what is not in use is read, but need not make sense. */
function sinkOptions(flags: Flags, plugin: 'log' | 'webhook', otherwise: SinkDefaults, isEnabled: boolean): SinkOptions {
  const read = reader(flags);
  const name = (suffix: string) => `audit-${plugin}-${suffix}`;
  const insist = (makesSense: boolean, problem: string) => {
    if (isEnabled && !makesSense) throw new Error(problem);
  };
  const mode = read.text(name('mode')) ?? otherwise.mode;
  insist(modes.includes(mode), `invalid audit ${plugin} mode ${mode}, allowed modes are ${JSON.stringify(modes.join(','))}`);
  const positive = (value: number, what: string) => {
    insist(mode !== 'batch' || value > 0, `invalid audit batch ${plugin} ${what} ${value}, must be a positive number`);
    return value;
  };
  const bufferSize = positive(read.number(name('batch-buffer-size'), 10_000), 'buffer size');
  const maxBatchSize = positive(read.number(name('batch-max-size'), otherwise.maxBatchSize), 'max batch size');
  const isThrottled = read.flag(name('batch-throttle-enable'), otherwise.throttle.enabled);
  const qps = read.number(name('batch-throttle-qps'), otherwise.throttle.qps);
  const burst = read.number(name('batch-throttle-burst'), otherwise.throttle.burst);
  if (isThrottled) {
    positive(qps, 'throttle QPS');
    positive(burst, 'throttle burst');
  }
  const maxEventBytes = read.number(name('truncate-max-event-size'), 100 * 1024);
  const maxBatchBytes = read.number(name('truncate-max-batch-size'), 10 * mib);
  insist(maxEventBytes > 0, `invalid audit truncate ${plugin} max event size ${maxEventBytes}, must be a positive number`);
  insist(
    maxBatchBytes >= maxEventBytes,
    `invalid audit truncate ${plugin} max batch size ${maxBatchBytes}, must be greater than max event size (${maxEventBytes})`,
  );
  const version = read.text(name('version')) ?? 'audit.k8s.io/v1';
  insist(version === 'audit.k8s.io/v1', 'invalid group version, allowed versions are ["audit.k8s.io/v1"]');
  return {
    mode: mode as Mode, // one of the modes where it counts, by the check above
    batch: {
      bufferSize,
      maxBatchSize,
      maxWaitMs: read.durationMs(name('batch-max-wait'), otherwise.maxWaitMs),
      concurrent: otherwise.concurrent,
      ...(isThrottled ? { throttle: { qps, burst } } : {}),
    },
    truncate: read.flag(name('truncate-enabled'), false) ? { maxEventBytes, maxBatchBytes } : undefined,
  };
}

const logDefaults: SinkDefaults = {
  ...{ mode: 'blocking', maxBatchSize: 1, maxWaitMs: 0, concurrent: false },
  throttle: { enabled: false, qps: 0, burst: 0 },
};
const webhookDefaults: SinkDefaults = {
  ...{ mode: 'batch', maxBatchSize: 400, maxWaitMs: 30_000, concurrent: true },
  throttle: { enabled: true, qps: 10, burst: 15 },
};

/** The flags with upstream's defaults and checks; undefined where none switches a backend on. Throws in upstream's words. */
export function auditOptions(flags: Flags): AuditOptions | undefined {
  const read = reader(flags);
  const path = read.text('audit-log-path');
  const configFile = read.text('audit-webhook-config-file');
  const log = sinkOptions(flags, 'log', logDefaults, path !== undefined);
  const format = read.text('audit-log-format') ?? 'json';
  if (path !== undefined && format !== 'json' && format !== 'legacy')
    throw new Error(`invalid audit log format ${format}, allowed formats are "legacy,json"`);
  const limit = (name: string, otherwise: number) => {
    const value = read.number(name, otherwise);
    if (path !== undefined && value < 0) throw new Error(`--${name} ${value} can't be a negative number`);
    return value;
  };
  const maxAgeDays = limit('audit-log-maxage', 366);
  const maxBackups = limit('audit-log-maxbackup', 100);
  const maxSize = limit('audit-log-maxsize', 100);
  const webhook = sinkOptions(flags, 'webhook', webhookDefaults, configFile !== undefined);
  const initialBackoffMs = read.durationMs('audit-webhook-initial-backoff', read.durationMs('audit-webhook-batch-initial-backoff', 10_000));
  if (path === undefined && configFile === undefined) return undefined;
  return {
    policyFile: read.text('audit-policy-file'),
    log:
      path === undefined
        ? undefined
        : {
            ...log,
            path,
            format: format as LogFormat, // one of the two, by the check above
            rotation: {
              maxBytes: maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize * mib,
              ...{ maxAgeDays, maxBackups, compress: read.flag('audit-log-compress', false) },
            },
          },
    webhook: configFile === undefined ? undefined : { ...webhook, configFile, initialBackoffMs },
  };
}
