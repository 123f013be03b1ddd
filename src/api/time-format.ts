/** Timestamps and durations as Go's JSON has them. */

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

export interface Instant {
  /** Whole seconds since 1970. */
  seconds: number;
  nanos: number;
}

/** Reads RFC 3339 strictly; undefined for what is none. */
export function parseRfc3339(text: string): Instant | undefined {
  const match = rfc3339.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const m = Number(month);
  const d = Number(day);
  const daysInMonth = new Date(Date.UTC(2000, m, 0)).getUTCDate();
  const leap = m === 2 && d === 29 && new Date(Date.UTC(Number(year), 1, 29)).getUTCMonth() !== 1;
  if (m < 1 || m > 12 || d < 1 || d > daysInMonth || leap || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59)
    return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), m - 1, d);
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  let seconds = date.getTime() / 1000;
  if (zone !== 'Z') {
    const offset = (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))) * 60;
    seconds -= zone.startsWith('-') ? -offset : offset;
  }
  return { seconds, nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) };
}

/** As formatTime writes them, on a day that every month has. */
const plainTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** Whether a text is right, and as formatTime would write it, for all that can be seen without reading it: nearly all times are. */
export const isPlainTime = (text: string): boolean => plainTime.test(text);

/** `2006-01-02T15:04:05Z`: meta/v1 Time. */
export function formatTime({ seconds }: Instant): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}Z`;
}

/** `2006-01-02T15:04:05.000000Z`: meta/v1 MicroTime. */
export function formatMicroTime({ seconds, nanos }: Instant): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z`;
}

const unitNanos: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Reads a Go duration (`1h30m`, `250ms`) as nanoseconds; undefined for what is none. */
export function parseGoDuration(text: string): bigint | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text);
  if (!match) return undefined;
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = 's'] of (match[2] ?? '').matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = unitNanos[unit] ?? 1n;
    const digits = fraction.slice(0, 18);
    nanos += BigInt(whole || '0') * scale + (BigInt(digits || '0') * scale) / 10n ** BigInt(digits.length);
  }
  return match[1] === '-' ? -nanos : nanos;
}

/** What Go says of a text that is no duration. */
export function goDurationProblem(text: string): string {
  const inText = `in duration ${JSON.stringify(text)}`;
  for (let rest = text.replace(/^[+-]/, ''); rest !== ''; ) {
    const [part, unit = ''] = /^(?:\d+\.?\d*|\.\d+)([^.\d]*)/.exec(rest) ?? [];
    if (part === undefined) break;
    if (unit === '') return `time: missing unit ${inText}`;
    if (!Object.hasOwn(unitNanos, unit)) return `time: unknown unit ${JSON.stringify(unit)} ${inText}`;
    rest = rest.slice(part.length);
  }
  return `time: invalid duration ${JSON.stringify(text)}`;
}

/** Milliseconds in a Go duration. @throws RangeError in Go's words for what is none. */
export function goDurationMs(text: string): number {
  const nanos = parseGoDuration(text);
  if (nanos === undefined) throw new RangeError(goDurationProblem(text));
  return Number(nanos) / 1e6;
}

/** Milliseconds as a Go duration, rounded to whole ones: `1.204s`, `350ms`, `1m10s`. */
export const formatGoMilliseconds = (milliseconds: number): string => formatGoDuration(BigInt(Math.round(milliseconds)) * 1_000_000n);

/** Writes nanoseconds as Go does: `1h30m0s`, `1.5s`, `250ms`. */
export function formatGoDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s';
  if (nanos < 0n) return `-${formatGoDuration(-nanos)}`;
  const decimal = (value: bigint, unit: bigint) => {
    const rest = (value % unit)
      .toString()
      .padStart(unit.toString().length - 1, '0')
      .replace(/0+$/, '');
    return `${value / unit}${rest ? `.${rest}` : ''}`;
  };
  if (nanos < 1000n) return `${nanos}ns`;
  if (nanos < 1_000_000n) return `${decimal(nanos, 1000n)}µs`;
  if (nanos < 1_000_000_000n) return `${decimal(nanos, 1_000_000n)}ms`;
  const hours = nanos / 3_600_000_000_000n;
  const minutes = (nanos / 60_000_000_000n) % 60n;
  const seconds = `${decimal(nanos % 60_000_000_000n, 1_000_000_000n)}s`;
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${minutes}m${seconds}` : seconds;
}
