import { describe, expect, it } from 'vitest';
import { accept, rejectStatus, rejectUpdate, row } from '../testing/accept.ts';
import { scheduleProblem } from './cron-schedule.ts';

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox' }] } };
const metadata = { name: 'j', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };
const job = (spec: object = {}) => ({ apiVersion: 'batch/v1', kind: 'Job', metadata, spec: { template, ...spec } });
const cronJob = (spec: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata,
  spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template } }, ...spec },
});

describe('a job', () => {
  it('selects its pods by its uid', () => {
    const { stored, wrong } = accept(job());
    expect(wrong).toEqual([]);
    expect(stored).toMatchObject({
      spec: {
        completions: 1,
        parallelism: 1,
        backoffLimit: 6,
        completionMode: 'NonIndexed',
        suspend: false,
        podReplacementPolicy: 'TerminatingOrFailed',
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'the-uid' } },
        template: {
          metadata: {
            labels: {
              'batch.kubernetes.io/controller-uid': 'the-uid',
              'batch.kubernetes.io/job-name': 'j',
              'controller-uid': 'the-uid',
              'job-name': 'j',
            },
          },
        },
      },
    });
  });

  it('has the labels of its pods where it has none of its own', () => {
    const labelled = { template: { ...template, metadata: { labels: { app: 'a' } } } };
    const generated = { 'batch.kubernetes.io/controller-uid': 'the-uid', 'batch.kubernetes.io/job-name': 'j' };
    expect(accept(job(labelled)).stored.metadata.labels).toMatchObject({ app: 'a', ...generated });
    expect(accept(job()).stored.metadata.labels).toMatchObject(generated);
    const own = { ...job(labelled), metadata: { ...metadata, labels: { app: 'a' } } };
    expect(accept(own).stored.metadata.labels).toEqual({ app: 'a' });
  });

  it.each<[object, string[]]>([
    [
      { template: { spec: { ...template.spec, restartPolicy: 'Always' } } },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [{ completionMode: 'Indexed', parallelism: 2 }, ['spec.completions: Required value: when completion mode is Indexed']],
    [{ backoffLimitPerIndex: 1 }, ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode']],
    [
      { completionMode: '', backoffLimitPerIndex: 1 },
      ['spec.completionMode: Unsupported value: "": supported values: "NonIndexed", "Indexed"'],
    ],
    [{ managedBy: 'me' }, ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")']],
    [
      { podFailurePolicy: { rules: [{ action: 'Ignore' }] } },
      ['spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required'],
    ],
    [
      { completionMode: 'Indexed', completions: 3, successPolicy: { rules: [{ succeededIndexes: '1,0' }] } },
      [
        'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "1,0": error parsing succeededIndexes: non-increasing order, previous: 1, current: 0',
      ],
    ],
  ])('with %j is rejected', (spec, messages) => {
    expect(accept(job(spec)).wrong).toEqual(messages);
  });

  it('has a name that makes hostnames of its pods if these are numbered', () => {
    const named = (name: string, spec: object) =>
      accept({ ...job({ completions: 101, parallelism: 2, ...spec }), metadata: { name, uid: 'u' } }).wrong;
    expect(named('a.b', { completionMode: 'Indexed' })).toEqual([
      'metadata.name: Invalid value: "a.b": will not able to create pod with invalid DNS label: a.b-100',
    ]);
    expect(named('a'.repeat(59), { completionMode: 'Indexed' })).toEqual([]);
    expect(named('a'.repeat(60), { completionMode: 'Indexed' })).toHaveLength(1);
    expect(named('a.b', {})).toEqual([]);
  });

  it('is managed by whom a path of a domain names', () => {
    expect(accept(job({ managedBy: 'example.com/one/two' })).wrong).toEqual([]);
    expect(accept(job({ managedBy: 'Example.com/ ' })).wrong).toEqual([
      expect.stringContaining('spec.managedBy: Invalid value: "Example.com": a lowercase RFC 1123 subdomain'),
      expect.stringContaining('spec.managedBy: Invalid value: " ": Invalid path (regex'),
    ]);
  });

  /** A job of another name, its selector and labels made for that. */
  const named = (name: string, { spec }: object & { spec?: unknown }) => {
    const { template: _, selector: __, ...rest } = spec as Record<string, unknown>;
    return {
      ...accept({ ...job(rest), metadata: { ...metadata, name } }).stored,
      metadata: { ...metadata, name, uid: 'the-uid' },
    } as never;
  };

  it('scales with its completions, as far as its name lets it', () => {
    const stored = (count: number, parallelism = count) =>
      accept(job({ completionMode: 'Indexed', completions: count, parallelism })).stored;
    expect(rejectUpdate(stored(3), stored(2))).toEqual([]);
    expect(rejectUpdate(stored(3, 2), stored(2))).toEqual([
      'spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism',
    ]);
    const longest = 'b'.repeat(61);
    const long = (count: number) => named(longest, stored(count));
    expect(rejectUpdate(long(10), long(2), { whole: true })).toEqual([]);
    expect(rejectUpdate(long(11), long(2), { whole: true })).toEqual([
      `metadata.name: Invalid value: "${longest}": will not able to create pod with invalid DNS label: ${longest}-10`,
    ]);
  });

  it.each<[string, object, object, string[]]>([
    [
      'any more',
      { manualSelector: true, selector: { matchLabels: { a: 'b' } } },
      { manualSelector: false },
      ['controller-uid', 'job-name'],
    ],
    ['as before', {}, { suspend: true }, []],
  ])('selects its pods by hand or by its uid, not by hand %s', (_, before, after, lacking) => {
    const { stored } = accept(job({ ...before, template: { ...template, metadata: { labels: { a: 'b' } } } }));
    const next = { ...stored, spec: { ...(stored as unknown as { spec: object }).spec, ...after } } as never;
    expect(rejectUpdate(next, stored)).toEqual([
      ...lacking.map((label) => expect.stringContaining(`spec.template.metadata.labels[${label}]: Required value: must be '`)),
      ...(lacking.length > 0 ? [expect.stringContaining('`selector` not auto-generated')] : []),
    ]);
  });

  it('may keep the label values that its selector has had, whatever these are', () => {
    const selecting = (value: string) => {
      const selector = { matchExpressions: [{ key: 'a', operator: 'NotIn', values: [value] }] };
      return accept(job({ manualSelector: true, selector })).stored;
    };
    expect(rejectUpdate(selecting('bad value'), selecting('bad value'), { whole: true })).toEqual([]);
  });

  it('keeps its template, unless it waits suspended and only moves', () => {
    const moved = { ...template, spec: { ...template.spec, nodeSelector: { zone: 'a' } } };
    const image = { ...template, spec: { ...template.spec, containers: [{ name: 'c', image: 'other' }] } };
    const update = (suspend: boolean, next: object) =>
      rejectUpdate(accept(job({ suspend, template: next })).stored, accept(job({ suspend })).stored).map((m) => m.replace(/\{.*\}/, '{}'));
    const immutable = (path: string) => [`${path}: Invalid value: {}: field is immutable`];
    expect(update(false, moved)).toEqual(immutable('spec.template'));
    expect(update(true, moved)).toEqual([]);
    expect(update(true, image)).toEqual(immutable('spec.template.spec'));
  });

  it('lets its containers ask for other resources while it is at rest', () => {
    const bigger = {
      ...template,
      spec: { ...template.spec, containers: [{ name: 'c', image: 'busybox', resources: { requests: { cpu: '4' } } }] },
    };
    const update = (status: object) =>
      rejectUpdate(accept(job({ suspend: true, template: bigger })).stored, { ...accept(job({ suspend: true })).stored, status } as never)
        .length;
    const suspended = [{ type: 'Suspended', status: 'True' }];
    expect([{}, { startTime: 't' }, { startTime: 't', conditions: suspended }, { active: 1, conditions: suspended }].map(update)).toEqual([
      0, 1, 0, 1,
    ]);
  });

  const done = (...types: string[]) => ({ conditions: types.map((type) => ({ type, status: 'True' })) });
  const indexed = { completionMode: 'Indexed', completions: 3, parallelism: 1, backoffLimitPerIndex: 1 };
  it.each<[object, object, object, string[]]>([
    [{}, { failed: 2 }, { failed: 1 }, ['status.failed: Invalid value: 1: cannot decrease the failed counter']],
    [
      {},
      {},
      done('Complete', 'Failed'),
      [
        'status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions',
        'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
        'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
        'status.completionTime: Required value: completionTime is required for Complete jobs',
        'status.startTime: Required value: startTime is required for finished job',
      ],
    ],
    [
      indexed,
      {},
      { completedIndexes: '0-1', failedIndexes: '1-2' },
      ['status.failedIndexes: Invalid value: "1-2": failedIndexes and completedIndexes overlap at index: 1'],
    ],
    // As it was before there were fewer completions.
    [indexed, { completedIndexes: '0,4' }, { completedIndexes: '0,4', failedIndexes: '1' }, []],
    [
      indexed,
      { completedIndexes: '0,4' },
      { completedIndexes: '0,4', failedIndexes: 'x,0' },
      [
        'status.failedIndexes: Invalid value: "x,0": error parsing failedIndexes: cannot convert string to integer for index: "x"',
        'status.failedIndexes: Invalid value: "x,0": failedIndexes and completedIndexes overlap at index: 0',
      ],
    ],
  ])('of %j does not come from status %j to %j', (spec, before, after, messages) => {
    const of = (status: object) => ({ ...accept(job(spec)).stored, status }) as never;
    expect(rejectStatus(of(after), of(before))).toEqual(messages);
  });

  it.each<[object, object, object]>([
    [{ completions: 3 }, { succeeded: 1, startTime: '2026-01-01T00:05:00Z' }, { Status: 'Running', Completions: '1/3', Duration: '5m' }],
    [{ parallelism: 4 }, {}, { Completions: '0/1 of 4', Duration: '' }],
    [
      {},
      {
        succeeded: 1,
        startTime: '2026-01-01T00:00:00Z',
        completionTime: '2026-01-01T00:00:07Z',
        conditions: [{ type: 'Complete', status: 'True' }],
      },
      { Status: 'Complete', Completions: '1/1', Duration: '7s' },
    ],
  ])('with %j and status %j is printed', (spec, status, cells) => {
    expect(row({ ...accept(job(spec)).stored, ...{ status } })).toMatchObject(cells);
  });
});

describe('a cron job', () => {
  it.each([
    ['*/5 * * * *', undefined],
    ['0 3 * JAN-MAR mon,wed', undefined],
    ['@hourly', undefined],
    ['@every 1h30m', undefined],
    ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
    ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['@often', 'unrecognized descriptor: @often'],
  ])('with the schedule %s: %s', (schedule, problem) => {
    expect(scheduleProblem(schedule)).toBe(problem);
  });

  it.each<[object, string[]]>([
    [{}, []],
    [{ timeZone: 'Europe/Berlin' }, []],
    [{ schedule: '' }, ['spec.schedule: Required value']],
    [{ timeZone: 'Mars/Base' }, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']],
    [{ timeZone: 'europe/berlin' }, ['spec.timeZone: Invalid value: "europe/berlin": unknown time zone europe/berlin']],
    [
      { timeZone: 'LOCAL' },
      [
        'spec.timeZone: Invalid value: "LOCAL": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
        'spec.timeZone: Invalid value: "LOCAL": unknown time zone LOCAL',
      ],
    ],
    [{ timeZone: '' }, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
    [
      { schedule: 'TZ=UTC 0 * * * *' },
      ['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'],
    ],
    [
      { schedule: 'TZ=UTC 0 * * * *', timeZone: 'UTC' },
      ['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'],
    ],
    [
      { concurrencyPolicy: 'Maybe' },
      ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
    ],
  ])('with %j', (spec, messages) => {
    expect(accept(cronJob(spec)).wrong).toEqual(messages);
  });

  it('keeps the zone that its schedule or it has', () => {
    const stored = (spec: object) => accept(cronJob(spec)).stored;
    const zoned = stored({ schedule: 'TZ=UTC 0 * * * *' });
    expect(rejectUpdate(stored({ schedule: 'CRON_TZ=UTC 1 * * * *' }), zoned)).toEqual([]);
    expect(rejectUpdate(stored({ schedule: 'TZ=UTC 0 * * * *', timeZone: 'UTC' }), zoned)).toEqual([
      'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule',
    ]);
    expect(rejectUpdate(zoned, stored({}))).toEqual([
      'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ]);
    const gone = stored({ timeZone: 'Mars/Base' });
    expect(rejectUpdate(gone, gone)).toEqual([]);
  });

  it('is printed', () => {
    const status = { lastScheduleTime: '2026-01-01T00:09:00Z', active: [{}] };
    expect(row({ ...accept(cronJob()).stored, ...{ status } })).toMatchObject({
      Schedule: '*/5 * * * *',
      Timezone: '<none>',
      Suspend: 'False',
      Active: 1,
      'Last Schedule': '60s',
      Age: '10m',
      Images: 'busybox',
      Selector: '<none>',
    });
  });
});
