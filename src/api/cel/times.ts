/** Points in time and lengths of time, as texts and in parts (google/cel-go/common/types, Go's time package). */
import { parseRfc3339 } from '../time-format.ts';
import { CelError, Duration, Timestamp } from './values.ts';

const second = 1_000_000_000n;
/** Years 1 to 9999, in seconds since 1970; the first is Go's zero time. */
export const minSeconds = -62_135_596_800n;
const maxSeconds = 253_402_300_799n;
const minInt = -(2n ** 63n);
const maxInt = 2n ** 63n - 1n;

const floorDivide = (a: bigint, b: bigint) => (a - (((a % b) + b) % b)) / b;

/** @throws CelError for what no timestamp can hold */
export function timestampOf(nanos: bigint, offsetMinutes = 0): Timestamp {
  const seconds = floorDivide(nanos, second);
  if (seconds < minSeconds || seconds > maxSeconds) throw new CelError('timestamp overflow');
  return new Timestamp(nanos, offsetMinutes);
}

export const timestampOfSeconds = (seconds: bigint): Timestamp => timestampOf(seconds * second);
export const secondsOf = ({ nanos }: Timestamp): bigint => floorDivide(nanos, second);

/** @throws CelError for what no duration can hold */
export function durationOf(nanos: bigint): Duration {
  if (nanos < minInt || nanos > maxInt) throw new CelError('duration overflow');
  return new Duration(nanos);
}

/** The minutes of `+01:00`. */
function offsetOf(zone: string): number {
  const [, sign, hours, minutes] = /([+-]?)(\d{2}):(\d{2})$/.exec(zone) ?? [];
  const total = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  return sign === '-' ? -total : total;
}

/** RFC 3339; undefined for what is none. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const instant = parseRfc3339(text);
  if (!instant) return undefined;
  const offset = text.endsWith('Z') ? 0 : offsetOf(text);
  return timestampOf(BigInt(instant.seconds) * second + BigInt(instant.nanos), offset);
}

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
};

/** `1h30m`, `-1.5s`; undefined for what is none. */
export function parseDuration(text: string): Duration | undefined {
  const [, sign, body = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (body === '0') return new Duration(0n);
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const size = units[unit] ?? 0n;
    nanos += BigInt(whole || '0') * size + (fraction === '' ? 0n : (BigInt(fraction) * size) / 10n ** BigInt(fraction.length));
  }
  const signed = sign === '-' ? -nanos : nanos;
  return signed < minInt || signed > maxInt ? undefined : new Duration(signed);
}

const fractionOf = (nanos: bigint) => {
  const digits = nanos.toString().padStart(9, '0').replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
};

function formatOffset(minutes: number): string {
  if (minutes === 0) return 'Z';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`;
}

export function formatTimestamp({ nanos, offsetMinutes }: Timestamp): string {
  const seconds = floorDivide(nanos, second);
  const local = new Date((Number(seconds) + offsetMinutes * 60) * 1000);
  return `${local.toISOString().slice(0, -5)}${fractionOf(nanos - seconds * second)}${formatOffset(offsetMinutes)}`;
}

/** In seconds: `5400s`, `1.5s`. */
export function formatDuration({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? '-' : ''}${size / second}${fractionOf(size % second)}s`;
}

/** How far from UTC a zone is at a time, in milliseconds. */
function zoneOffset(zone: string, at: Date): number {
  if (zone === '' || zone === 'UTC') return 0;
  if (/^[+-]?\d{2}:\d{2}$/.test(zone)) return offsetOf(zone) * 60_000;
  let parts: Intl.DateTimeFormatPart[];
  try {
    parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(at);
  } catch {
    throw new CelError(`unknown time zone ${zone}`);
  }
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  const [, sign, hours = '0', minutes = '0'] = /^GMT([+-])(\d{2}):(\d{2})/.exec(name) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  return (sign === '-' ? -total : total) * 60_000;
}

/**
 * A time's date and clock in a zone, as those of UTC.
 * @throws CelError for a zone that is not known
 */
export function inZone(time: Timestamp, zone: string): Date {
  const at = new Date(Number(floorDivide(time.nanos, 1_000_000n)));
  return new Date(at.getTime() + zoneOffset(zone, at));
}

const day = 86_400_000;

/** What can be asked of a time, as numbers. */
export const timeParts: Readonly<Record<string, (at: Date) => number>> = {
  getFullYear: (at) => at.getUTCFullYear(),
  getMonth: (at) => at.getUTCMonth(),
  getDayOfYear: (at) => Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / day),
  getDayOfMonth: (at) => at.getUTCDate() - 1,
  getDate: (at) => at.getUTCDate(),
  getDayOfWeek: (at) => at.getUTCDay(),
  getHours: (at) => at.getUTCHours(),
  getMinutes: (at) => at.getUTCMinutes(),
  getSeconds: (at) => at.getUTCSeconds(),
  getMilliseconds: (at) => at.getUTCMilliseconds(),
};

/** What can be asked of a length of time. */
export const durationParts: Readonly<Record<string, (length: Duration) => bigint>> = {
  getHours: ({ nanos }) => nanos / (3600n * second),
  getMinutes: ({ nanos }) => nanos / (60n * second),
  getSeconds: ({ nanos }) => nanos / second,
  getMilliseconds: ({ nanos }) => nanos / 1_000_000n,
};
