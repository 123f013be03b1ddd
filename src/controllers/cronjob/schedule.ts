import { Cron } from 'croner';
import type { CronJob } from '../../api/index.ts';
import { timeOf } from '../framework/index.ts';

/** Past this many missed starts nobody knows what to make of them (upstream's limit): a skewed clock, most likely. */
const tooMany = 100;

/** Throws where the schedule or the time zone cannot be read. */
export function parseSchedule(cronJob: CronJob): Cron {
  const { schedule, timeZone } = cronJob.spec;
  // A zone in the schedule itself (TZ=Europe/Berlin 0 3 * * *) is no longer accepted from clients, but may be stored.
  const embedded = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(schedule);
  const zone = timeZone ?? embedded?.[1] ?? 'Etc/UTC';
  const every = /^@every\s+(.+)$/.exec(schedule);
  if (every) throw new Error(`@every is not a time of day: ${schedule}`);
  return new Cron(embedded?.[2] ?? schedule, { timezone: zone, paused: true, legacyMode: true, mode: '5-part' });
}

export interface Due {
  /** The most recent start that was missed and may still be made up for, in milliseconds. */
  startMs?: number;
  /** The next start. */
  nextMs?: number;
  tooManyMissed: boolean;
}

/** Which start is due at `nowMs`, and when the next one is. */
export function dueStart(cronJob: CronJob, cron: Cron, nowMs: number): Due {
  const { startingDeadlineSeconds: deadline } = cronJob.spec;
  let earliest = timeOf(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp);
  if (deadline !== undefined) earliest = Math.max(earliest, nowMs - deadline * 1000);
  const nextMs = cron.nextRun(new Date(nowMs))?.getTime();
  const next = nextMs === undefined ? {} : { nextMs };
  let missed = 0;
  let startMs: number | undefined;
  for (let at = cron.nextRun(new Date(earliest)); at && at.getTime() <= nowMs; at = cron.nextRun(at)) {
    startMs = at.getTime();
    if (++missed > tooMany) {
      startMs = cron.previousRuns(1, new Date(nowMs + 1))[0]?.getTime() ?? startMs;
      break;
    }
  }
  return { ...(startMs === undefined ? {} : { startMs }), ...next, tooManyMissed: missed > tooMany };
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
