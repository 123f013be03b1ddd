/** Timestamps and durations as Go's JSON has them. */

/** The layouts of meta/v1 Time and MicroTime, as Go's errors show them. */
const layouts = { time: '2006-01-02T15:04:05Z07:00', microTime: '2006-01-02T15:04:05.000000Z07:00' } as const;

export interface Instant {
  /** Whole seconds since 1970. */
  seconds: number;
  nanos: number;
}

const utf8 = new TextEncoder();

/** As Go's package time quotes: what is no printable ASCII byte by byte. */
function timeQuote(text: string): string {
  const bytesOf = (char: string) => Array.from(utf8.encode(char), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[^ -\x7f]/gu, bytesOf)}"`;
}

interface TimePart {
  /** Of the layout, for errors. */
  layout: string;
  pattern: RegExp;
  /** Beyond which it is out of range, with what it is called then. */
  range?: readonly [name: string, low: number, high: number];
}

const literal = (text: string): TimePart => ({ layout: text, pattern: new RegExp(`^${text}`) });
const number = (layout: string, pattern: RegExp, range?: TimePart['range']): TimePart => ({ layout, pattern, ...(range ? { range } : {}) });

const date: readonly TimePart[] = [
  number('2006', /^\d{4}/),
  literal('-'),
  number('01', /^\d\d/, ['month', 1, 12]),
  literal('-'),
  number('02', /^\d\d/),
  literal('T'),
  // One digit is enough, and seconds may have a fraction though the layout has none.
  number('15', /^\d\d?/, ['hour', 0, 23]),
  literal(':'),
  number('04', /^\d\d/, ['minute', 0, 59]),
  literal(':'),
];
const seconds = (pattern: RegExp) => number('05', pattern, ['second', 0, 59]);
const zone = number('Z07:00', /^(?:Z|[+-]\d\d:\d\d)/);
const parts: Readonly<Record<keyof typeof layouts, readonly TimePart[]>> = {
  time: [...date, seconds(/^\d\d(?:[.,]\d+)?/), zone],
  microTime: [...date, seconds(/^\d\d/), number('.000000', /^[.,]\d{6}/), zone],
};

/** Reads a time; answers in Go's words what is wrong with a text that is none. */
export function readTime(text: string, kind: keyof typeof layouts): Instant | string {
  const outOfRange = (what: string) => `parsing time ${timeQuote(text)}: ${what} out of range`;
  const found: string[] = [];
  let rest = text;
  for (const { layout, pattern, range } of parts[kind]) {
    const [part] = pattern.exec(rest) ?? [];
    if (part === undefined)
      return `parsing time ${timeQuote(text)} as ${timeQuote(layouts[kind])}: cannot parse ${timeQuote(rest)} as ${timeQuote(layout)}`;
    const whole = Number.parseInt(part, 10);
    if (range && (whole < range[1] || whole > range[2])) return outOfRange(range[0]);
    rest = rest.slice(part.length);
    if (/\w/.test(layout) && layout !== 'T') found.push(part);
    else if (layout === '.000000') found.push(part);
  }
  const [year = '', month = '', day = '', hour = '', minute = '', second = '', ...others] = found;
  const offset = others.at(-1) ?? 'Z';
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(4, 6));
  // Some write offsets of a whole day, and of a whole hour's minutes.
  if (hours > 24) return outOfRange('time zone offset hour');
  if (minutes > 60) return outOfRange('time zone offset minute');
  if (rest !== '') return `parsing time ${timeQuote(text)}: extra text: ${timeQuote(rest)}`;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCDate() !== Number(day)) return outOfRange('day');
  date.setUTCHours(Number(hour), Number(minute), Number.parseInt(second, 10));
  const eastSeconds = (hours * 60 + minutes) * 60 * (offset.startsWith('-') ? -1 : 1);
  const fraction = kind === 'time' ? second.slice(3) : (others[0] ?? '').slice(1);
  return { seconds: date.getTime() / 1000 - eastSeconds, nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) };
}

/** Reads RFC 3339 as Go does; undefined for what is none. */
export function parseRfc3339(text: string): Instant | undefined {
  const instant = readTime(text, 'time');
  return typeof instant === 'string' ? undefined : instant;
}

/** As formatTime writes them, on a day that every month has. */
const plainTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** Whether a text is right, and as formatTime would write it, for all that can be seen without reading it: nearly all times are. */
export const isPlainTime = (text: string): boolean => plainTime.test(text) && text !== '0001-01-01T00:00:00Z';

/** `2006-01-02T15:04:05`; years beyond four digits, where an offset leads there, as Go has them. */
const dateAndTime = (seconds: number) =>
  new Date(seconds * 1000)
    .toISOString()
    .slice(0, -5)
    .replace(/^(?:\+0|(-)00)/, '$1');

/** `2006-01-02T15:04:05Z`: meta/v1 Time. */
export const formatTime = ({ seconds }: Instant): string => `${dateAndTime(seconds)}Z`;

/** `2006-01-02T15:04:05.000000Z`: meta/v1 MicroTime. */
export const formatMicroTime = ({ seconds, nanos }: Instant): string =>
  `${dateAndTime(seconds)}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z`;

/** Go's zero time, which JSON has as null: the first second of the year 1. */
export const isZeroTime = ({ seconds, nanos }: Instant): boolean => seconds === -62_135_596_800 && nanos === 0;

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

const longest = 1n << 63n;

/** The nanoseconds of one `1.5h`; undefined beyond what Go holds. A fraction is a float's, as Go's is. */
function durationPart(whole: string, fraction: string, unit: string): bigint | undefined {
  const scale = unitNanos[unit] ?? 1n;
  const nanos = BigInt(whole || '0') * scale;
  // Digits after these do not count.
  const digits = fraction.slice(0, 18);
  const rest = BigInt(Math.trunc(Number(digits || '0') * (Number(scale) / 10 ** digits.length)));
  return nanos + rest > longest ? undefined : nanos + rest;
}

/** Reads a Go duration (`1h30m`, `250ms`) as nanoseconds; answers in Go's words what is wrong with a text that is none. */
export function readGoDuration(text: string): bigint | string {
  const invalid = `time: invalid duration ${timeQuote(text)}`;
  const [, sign = '', unsigned = ''] = /^([+-]?)([\s\S]*)$/.exec(text) ?? [];
  if (unsigned === '0') return 0n;
  if (unsigned === '') return invalid;
  let nanos = 0n;
  for (let rest = unsigned; rest !== ''; ) {
    const [part, whole = '', fraction = '', unit = ''] = /^(?=\.?\d)(\d*)(?:\.(\d*))?([^.\d]*)/.exec(rest) ?? [];
    if (part === undefined || BigInt(whole || '0') > longest) return invalid;
    if (unit === '') return `time: missing unit in duration ${timeQuote(text)}`;
    if (!Object.hasOwn(unitNanos, unit)) return `time: unknown unit ${timeQuote(unit)} in duration ${timeQuote(text)}`;
    const more = durationPart(whole, fraction, unit);
    if (more === undefined || nanos + more > longest) return invalid;
    nanos += more;
    rest = rest.slice(part.length);
  }
  if (sign === '-') return -nanos;
  return nanos === longest ? invalid : nanos;
}

/** Reads a Go duration as nanoseconds; undefined for what is none. */
export function parseGoDuration(text: string): bigint | undefined {
  const nanos = readGoDuration(text);
  return typeof nanos === 'string' ? undefined : nanos;
}

/** What Go says of a text that is no duration. */
export function goDurationProblem(text: string): string {
  const nanos = readGoDuration(text);
  return typeof nanos === 'string' ? nanos : '';
}

/** Milliseconds in a Go duration. @throws RangeError in Go's words for what is none. */
export function goDurationMs(text: string): number {
  const nanos = readGoDuration(text);
  if (typeof nanos === 'string') throw new RangeError(nanos);
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
