import { afterEach, beforeEach, expect, test } from 'vitest';
import { CronJob, type CronJobSpec, Job } from '../../api/index.ts';
import { type Harness, startControllers, template } from '../testing/harness.ts';
import { cronJobController } from './index.ts';
import { parseSchedule, zonedTimestamp } from './schedule.ts';

let h: Harness;
beforeEach(async () => {
  h = await startControllers(cronJobController);
});
afterEach(() => h.stop());

const minute = 60_000;
const make = async (spec: Partial<CronJobSpec>) => {
  await h.create(CronJob, {
    metadata: { name: 'nightly' },
    spec: { schedule: '*/5 * * * *', jobTemplate: { metadata: { labels: { a: 'b' } }, spec: { template: template() } }, ...spec },
  });
  await h.settle();
};
const names = async () => (await h.list(Job)).map((j) => j.metadata.name);
const finish = async (name: string, type: 'Complete' | 'Failed' = 'Complete') => {
  const now = new Date(h.clock.now()).toISOString();
  const status = {
    conditions: [{ type, status: 'True', lastTransitionTime: now }],
    startTime: now,
    ...(type === 'Complete' ? { completionTime: now } : {}),
  };
  await h.client.patch(Job, name, 'merge', { status }, { namespace: 'work', subresource: 'status' });
  await h.settle();
};
/** 2026-01-01T00:00Z in minutes. */
const start = Date.UTC(2026, 0, 1) / minute;

test('starts a Job at each time, named after it, and puts it down', async () => {
  await make({});
  expect(await names()).toEqual([]);
  await h.settle(5 * minute + 1000);
  const [job] = await h.list(Job);
  expect(job?.metadata).toMatchObject({
    name: `nightly-${start + 5}`,
    labels: { a: 'b' },
    annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:05:00Z' },
    ownerReferences: [{ kind: 'CronJob', name: 'nightly', controller: true }],
  });
  expect((await h.get(CronJob, 'nightly')).status).toMatchObject({
    lastScheduleTime: '2026-01-01T00:05:00Z',
    active: [{ kind: 'Job', name: job?.metadata.name }],
  });
  await finish(job?.metadata.name ?? '');
  expect((await h.get(CronJob, 'nightly')).status?.active).toBeUndefined();
  expect(await h.events()).toEqual([
    `SuccessfulCreate: Created job nightly-${start + 5}`,
    `SawCompletedJob: Saw completed job: nightly-${start + 5}, condition: Complete`,
  ]);
  await h.settle(5 * minute);
  expect(await names()).toHaveLength(2);
});

test.each([
  ['Allow' as const, 3, 3],
  ['Forbid' as const, 1, 1],
  ['Replace' as const, 1, 3],
])('while one still runs: %s', async (concurrencyPolicy, running, started) => {
  await make({ concurrencyPolicy });
  await h.settle(15 * minute + 1000);
  expect(await names()).toHaveLength(running);
  expect(h.api.log.filter((l) => l.startsWith('POST') && l.endsWith('/jobs'))).toHaveLength(started);
});

test('keeps so many that have succeeded and so many that have failed', async () => {
  await make({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 2 });
  for (let i = 1; i <= 6; i++) {
    await h.settle(5 * minute + (i === 1 ? 1000 : 0));
    await finish(`nightly-${start + 5 * i}`, i % 2 ? 'Failed' : 'Complete');
  }
  expect(await names()).toEqual([`nightly-${start + 15}`, `nightly-${start + 25}`, `nightly-${start + 30}`]);
  expect(await h.events()).toContain(`SuccessfulDelete: Deleted job nightly-${start + 5}`);
});

test('suspended it starts nothing; resumed it makes up for the last start that its deadline allows', async () => {
  await make({ suspend: true, startingDeadlineSeconds: 200 });
  await h.settle(16 * minute);
  expect(await names()).toEqual([]);
  await h.update(CronJob, 'nightly', (c) => ({ ...c, spec: { ...c.spec, suspend: false } }));
  await h.settle();
  expect(await names()).toEqual([`nightly-${start + 15}`]);
});

test('reads the schedule in its time zone', async () => {
  await make({ schedule: '0 3 * * *', timeZone: 'Asia/Tokyo' });
  await h.settle(18 * 60 * minute + 1000);
  const [job] = await h.list(Job);
  expect(job?.metadata.annotations).toEqual({ 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-02T03:00:00+09:00' });
});

test('says what is wrong with a schedule that nobody can read', async () => {
  await make({ schedule: 'now and then' });
  expect((await h.events())[0]).toMatch(/^UnparseableSchedule: unparseable schedule: "now and then" : /);
});

test('a start that was made but not put down is not made again', async () => {
  let refuse = true;
  h.api.intercept = (request) => {
    if (refuse && request.path.endsWith('/cronjobs/nightly/status')) throw new Error('connection lost');
  };
  await make({});
  await h.settle(5 * minute + 2000);
  expect(await names()).toHaveLength(1);
  refuse = false;
  await h.settle(minute);
  expect(await names()).toHaveLength(1);
  expect((await h.get(CronJob, 'nightly')).status).toMatchObject({ lastScheduleTime: '2026-01-01T00:05:00Z', active: [{}] });
});

test('a day of missed starts gives one Job and a warning', async () => {
  await make({ suspend: true, schedule: '* * * * *' });
  await h.settle(24 * 60 * minute);
  await h.update(CronJob, 'nightly', (c) => ({ ...c, spec: { ...c.spec, suspend: false } }));
  await h.settle();
  expect(await names()).toEqual([`nightly-${start + 1440}`]);
  expect(await h.events()).toContainEqual(expect.stringMatching(/^TooManyMissedTimes: too many missed start times/));
});

test('writes times with their zone', () => {
  expect(zonedTimestamp(Date.UTC(2026, 0, 1), 'Europe/Berlin')).toBe('2026-01-01T01:00:00+01:00');
  expect(zonedTimestamp(Date.UTC(2026, 0, 1), undefined)).toBe('2026-01-01T00:00:00Z');
  expect(zonedTimestamp(Date.UTC(2026, 0, 1), 'Etc/UTC')).toBe('2026-01-01T00:00:00Z');
});

test('a Job made by hand in its name is said to be unexpected, and keeps nothing from starting', async () => {
  await make({ concurrencyPolicy: 'Forbid' });
  const { uid } = (await h.get(CronJob, 'nightly')).metadata;
  const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly', uid, controller: true };
  await h.create(Job, { metadata: { name: 'by-hand', ownerReferences: [owner] }, spec: { template: template() } });
  await h.settle(5 * minute + 1000);
  expect(await names()).toEqual(['by-hand', `nightly-${start + 5}`]);
  const unexpected = (await h.events()).filter((e) => e.startsWith('UnexpectedJob'));
  expect(unexpected[0]).toContain('Saw a job that the controller did not create or forgot: by-hand');
  expect(unexpected).toHaveLength(1);
});

test.each([
  [
    { schedule: '0 0 30 2 *' },
    'InvalidSchedule: invalid schedule: 0 0 30 2 * : time difference between two schedules is less than 1 second',
  ],
  [{ schedule: '0 0 * * *', timeZone: 'Mars/Base' }, 'UnknownTimeZone: invalid timeZone: "Mars/Base": unknown time zone Mars/Base'],
])('says why it starts nothing: %j', async (spec, event) => {
  await make(spec);
  expect(await h.events()).toEqual([event]);
});

test.each([
  ['@every 1h30m', '01:30:00', '03:00:00'],
  ['@hourly', '01:00:00', '02:00:00'],
  ['5/20 * * * *', '00:05:00', '00:25:00'],
  ['? 12 1 1 *', '12:00:00', '12:01:00'],
  // Neither day is open: either will do. 2026-01-01 is a Thursday.
  ['0 6,18 15 JAN thu', '06:00:00', '18:00:00'],
])('reads %j', (schedule, first, second) => {
  const parsed = parseSchedule({ schedule });
  const one = parsed.next(Date.UTC(2026, 0, 1)) ?? 0;
  expect([one, parsed.next(one) ?? 0].map((ms) => new Date(ms).toISOString().slice(11, 19))).toEqual([first, second]);
});
