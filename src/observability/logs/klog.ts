/**
 * Log lines as upstream's components write them: klog's text header and key="value" pairs, or one JSON object a line
 * (k8s.io/component-base/logs). They are made of pino's records, for components that are asked for them by --logging-format.
 */

/** A record of pino's, parsed. */
export interface LogRecord {
  level: number;
  /** Milliseconds since the epoch. */
  time: number;
  msg?: string;
  component?: string;
  [key: string]: unknown;
}

export type LogFormat = 'text' | 'json';

/** What every record has, and the formats put elsewhere. */
const own = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'component', 'err']);

const levels = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

function severity(level: number): 'I' | 'W' | 'E' | 'F' {
  if (level >= levels.fatal) return 'F';
  if (level >= levels.error) return 'E';
  return level >= levels.warn ? 'W' : 'I';
}

/** The verbosity at which upstream writes what pino's level stands for. */
const verbosityOf = (level: number) => (level >= levels.info ? 0 : level >= levels.debug ? 3 : 6);

/**
 * Where it was logged. A bundle knows no source lines, and looking for them would cost more than the line: the component stands
 * there, in the form that parsers of klog's header expect.
 */
const caller = ({ component = 'k8ts' }: LogRecord) => `${component}.ts:1`;

const pad = (value: number, width = 2) => String(value).padStart(width, '0');

function header(record: LogRecord, pid: number): string {
  const at = new Date(record.time);
  const day = `${pad(at.getMonth() + 1)}${pad(at.getDate())}`;
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}000`;
  return `${severity(record.level)}${day} ${time} ${String(pid).padStart(7)} ${caller(record)}]`;
}

const errorText = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);

function valueText(value: unknown): string {
  if (typeof value === 'string') {
    // Lines of their own, as klog has them, rather than one with escapes.
    if (value.includes('\n')) return `<\n${value.replace(/\n$/, '').replace(/^/gm, '\t')}\n >`;
    return JSON.stringify(value);
  }
  return value === undefined ? '<nil>' : JSON.stringify(value);
}

function text(record: LogRecord, pid: number): string {
  const pairs = Object.entries(record).filter(([key]) => !own.has(key));
  if (record.err !== undefined) pairs.unshift(['err', errorText(record.err)]);
  return `${header(record, pid)} ${JSON.stringify(record.msg ?? '')}${pairs.map(([key, value]) => ` ${key}=${valueText(value)}`).join('')}\n`;
}

function json(record: LogRecord): string {
  const rest = Object.fromEntries(Object.entries(record).filter(([key]) => !own.has(key)));
  return `${JSON.stringify({
    ts: record.time,
    caller: caller(record),
    msg: record.msg ?? '',
    ...(severity(record.level) === 'I' ? { v: verbosityOf(record.level) } : {}),
    ...(record.err === undefined ? {} : { err: errorText(record.err) }),
    ...rest,
  })}\n`;
}

/** A line of pino's as upstream would have written it; what is no record of pino's stays as it is. */
export function klogLine(line: string, format: LogFormat, pid: number): string {
  let record: LogRecord;
  try {
    record = JSON.parse(line) as LogRecord; // what pino writes
  } catch {
    return line;
  }
  return format === 'text' ? text(record, pid) : json(record);
}
