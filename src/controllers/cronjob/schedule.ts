import { Cron } from 'croner';
import { type CronJob, scheduleProblem } from '../../api/index.ts';
import { timeOf } from '../framework/index.ts';

/** Past this many missed starts nobody knows what to make of them (upstream's limit): a skewed clock, most likely. */
const tooMany = 100;

const descriptors: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const fields = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
] as const;
const unitMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001, μs: 0.001, ns: 1e-6 };

/** When starts are due. */
export interface Schedule {
  /** The first start after a time, both in milliseconds; undefined where there is none. */
  next(afterMs: number): number | undefined;
}

/** A schedule with a zone of its own (TZ=Europe/Berlin 0 3 * * *) is no longer accepted from clients, but may be stored. */
const zoned = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/;
export const namesZone = (schedule: string): boolean => schedule.includes('TZ');

/** Throws, in the words of upstream's parser, where the schedule cannot be read. */
export function parseSchedule({ schedule, timeZone }: { schedule: string; timeZone?: string }): Schedule {
  const problem = scheduleProblem(schedule);
  if (problem !== undefined) throw new Error(problem);
  const [, ownZone, rest = schedule] = zoned.exec(schedule) ?? [];
  if (rest.startsWith('@every ')) {
    // Whole seconds, and at least one.
    const everyMs = Math.max(1000, Math.floor(durationMs(rest.slice('@every '.length)) / 1000) * 1000);
    return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + everyMs };
  }
  const spec = (descriptors[rest] ?? rest).trim().split(/\s+/).map(numbersOf).join(' ');
  const cron = new Cron(spec, { timezone: timeZone ?? ownZone ?? 'Etc/UTC', paused: true, legacyMode: true, mode: '5-part' });
  return { next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() };
}

function durationMs(text: string): number {
  let ms = 0;
  for (const [, count, unit = ''] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) ms += Number(count) * (unitMs[unit] ?? 0);
  return text.startsWith('-') ? -ms : ms;
}

/** A field as the list of its numbers, or `*` where it leaves the choice open: what parsers of schedules agree on. */
function numbersOf(text: string, at: number): string {
  const { min, max, ...rest } = fields[at] ?? { min: 0, max: 0 };
  const names: readonly string[] = 'names' in rest ? rest.names : [];
  const numberOf = (word: string) => (names.includes(word.toLowerCase()) ? names.indexOf(word.toLowerCase()) + min : Number(word));
  const numbers = new Set<number>();
  for (const expression of text.split(',').filter((e) => e !== '')) {
    const [range = '', stepText] = expression.split('/');
    const [low = '', high] = range.split('-');
    const step = Number(stepText ?? 1);
    const open = low === '*' || low === '?';
    if (open && step === 1) return '*';
    const first = open ? min : numberOf(low);
    // `5/15` means from 5 to the end.
    const last = open || (high === undefined && stepText !== undefined) ? max : numberOf(high ?? low);
    for (let n = first; n <= last; n += step) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b).join();
}

export interface Due {
  /** The most recent start that was missed and may still be made up for, in milliseconds. */
  startMs?: number;
  /** The next start. */
  nextMs?: number;
  tooManyMissed: boolean;
}

/** Which start is due at `nowMs`, and when the next one is. Throws where starts are less than a second apart, or never come. */
export function dueStart(cronJob: CronJob, schedule: Schedule, nowMs: number): Due {
  const { startingDeadlineSeconds: deadline } = cronJob.spec;
  let earliest = timeOf(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp);
  if (deadline !== undefined) earliest = Math.max(earliest, nowMs - deadline * 1000);
  const first = schedule.next(earliest);
  if (first === undefined) throw new Error('time difference between two schedules is less than 1 second');
  if (first > nowMs) return { nextMs: first, tooManyMissed: false };
  const second = schedule.next(first);
  if (second === undefined || second > nowMs)
    return { startMs: first, ...(second === undefined ? {} : { nextMs: second }), tooManyMissed: false };
  // Not one by one: a clock may be years off. From the count of the first interval on, and one back since intervals differ.
  const between = second - first;
  const missed = Math.floor((nowMs - first) / between) + 1;
  let startMs: number | undefined;
  let next = schedule.next(first + (missed - 2) * between);
  for (; next !== undefined && next <= nowMs; next = schedule.next(next)) startMs = next;
  return {
    ...(startMs === undefined ? {} : { startMs }),
    ...(next === undefined ? {} : { nextMs: next }),
    tooManyMissed: missed > tooMany,
  };
}

/** Where a start is so old that it may no longer be made. */
export function isTooLate(cronJob: CronJob, startMs: number, nowMs: number): boolean {
  const deadline = cronJob.spec.startingDeadlineSeconds;
  return deadline !== undefined && startMs + deadline * 1000 < nowMs;
}

/** Names a start's Job: the same start never makes two. */
export function jobNameFor(cronJob: CronJob, startMs: number): string {
  return `${cronJob.metadata.name}-${Math.floor(startMs / 60_000)}`;
}

/** RFC 3339 in a time zone, with its offset. */
export function zonedTimestamp(ms: number, timeZone: string | undefined): string {
  if (!timeZone) return `${new Date(ms).toISOString().slice(0, 19)}Z`;
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' });
  const offset = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
    .formatToParts(ms)
    .find((p) => p.type === 'timeZoneName');
  const local = format.format(ms).replace(', ', 'T');
  const zone = offset?.value.replace('GMT', '') ?? '';
  return `${local}${zone === '' || zone === '+00:00' ? 'Z' : zone}`;
}
