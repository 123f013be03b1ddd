import { containerColumns } from '../apps/pod-columns.ts';
import { requireNonNegative, requireOneOf } from '../core/checks.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { CronJob, type CronJobSpec } from '../generated/batch.v1.ts';
import * as v1beta1 from '../generated/batch.v1beta1.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, fieldDoc, nameColumn, translateTimestampSince } from '../printing.ts';
import { formatLabelSelector } from '../selectors.ts';
import { orphaning, sameShape } from '../served-version.ts';
import { isTimeZone, scheduleProblem } from './cron-schedule.ts';
import { validateJobSpec } from './job-spec.ts';
import { jobWarnings } from './job-warnings.ts';
import { defaultPodFailurePolicy } from './pod-failure-policy.ts';

const specPath = new FieldPath('spec');
/** The jobs' names have the scheduled minute as a suffix, and must be labels. */
const maxNameLength = 52;
const hasZone = (schedule = '') => schedule.includes('TZ');

function validateSchedule({ schedule = '', timeZone }: CronJobSpec, prev: CronJobSpec | undefined, errors: FieldErrors): void {
  const path = specPath.child('schedule');
  if (schedule === '') {
    errors.required(path);
    return;
  }
  const problem = scheduleProblem(schedule);
  if (problem !== undefined) errors.invalid(path, schedule, problem);
  if (!hasZone(schedule)) return;
  // Schedules with a zone inside were once accepted: what was stored with one may have one.
  if (!hasZone(prev?.schedule)) errors.invalid(path, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
  else if (timeZone !== undefined) errors.invalid(path, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule');
}

function validateTimeZone(timeZone: string | undefined, errors: FieldErrors): void {
  const path = specPath.child('timeZone');
  if (timeZone === undefined) return;
  if (timeZone === '') errors.invalid(path, timeZone, 'timeZone must be nil or non-empty string');
  else if (timeZone.toLowerCase() === 'local')
    errors.invalid(path, timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  // To Go, `Local` is a zone.
  if (timeZone !== '' && timeZone !== 'Local' && !isTimeZone(timeZone)) errors.invalid(path, timeZone, `unknown time zone ${timeZone}`);
}

function validateTemplate({ jobTemplate }: CronJobSpec, errors: FieldErrors): void {
  const path = specPath.child('jobTemplate', 'spec');
  const template = jobTemplate?.spec;
  if (!template?.template) {
    errors.required(path.child('template'));
    return;
  }
  validateJobSpec(template, path, errors);
  if (template.selector)
    errors.invalid(path.child('selector'), internalForm('meta.v1.LabelSelector', template.selector), '`selector` will be auto-generated');
  if (template.manualSelector) errors.notSupported(path.child('manualSelector'), template.manualSelector, ['nil', 'false']);
}

function validateSpec(spec: CronJobSpec, prev: CronJobSpec | undefined, errors: FieldErrors): void {
  validateSchedule(spec, prev, errors);
  requireNonNegative(errors, specPath.child('startingDeadlineSeconds'), spec.startingDeadlineSeconds);
  // A zone that is no longer known may stay.
  if (!prev || spec.timeZone !== prev.timeZone) validateTimeZone(spec.timeZone, errors);
  requireOneOf(errors, specPath.child('concurrencyPolicy'), spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  validateTemplate(spec, errors);
  requireNonNegative(errors, specPath.child('successfulJobsHistoryLimit'), spec.successfulJobsHistoryLimit);
  requireNonNegative(errors, specPath.child('failedJobsHistoryLimit'), spec.failedJobsHistoryLimit);
}

export const cronJob = defineKind<CronJob>({
  resource: CronJob,
  shortNames: ['cj'],
  categories: ['all'],
  versions: [orphaning(sameShape(v1beta1.CronJob, CronJob))],
  defaults({ spec }) {
    if (!spec) return;
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    if (spec.jobTemplate?.spec) defaultPodFailurePolicy(spec.jobTemplate.spec);
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec?.template) defaultPodTemplate(spec.jobTemplate.spec.template);
  },
  validateCreate({ spec, metadata }, errors) {
    validateSpec(spec, undefined, errors);
    if ((metadata.name ?? '').length > maxNameLength)
      errors.invalid(new FieldPath('metadata').child('name'), metadata.name, `must be no more than ${maxNameLength} characters`);
  },
  validateUpdate: ({ spec }, prev, errors) => validateSpec(spec, prev.spec, errors),
  warnings(next, prev) {
    const warnings = jobWarnings(next, prev, next.spec.jobTemplate?.spec, specPath.child('jobTemplate', 'spec'));
    if (prev && hasZone(next.spec.schedule))
      warnings.push(
        'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details',
      );
    return warnings;
  },
  subresources: { status: true },
  columns: [
    nameColumn,
    {
      name: 'Schedule',
      description: fieldDoc('batch.v1.CronJobSpec.schedule'),
      value: ({ spec }) => spec.schedule ?? '',
    },
    {
      name: 'Timezone',
      description: fieldDoc('batch.v1.CronJobSpec.timeZone'),
      value: ({ spec }) => spec.timeZone ?? '<none>',
    },
    {
      name: 'Suspend',
      type: 'boolean',
      description: fieldDoc('batch.v1.CronJobSpec.suspend'),
      value: ({ spec }) => (spec.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False'),
    },
    {
      name: 'Active',
      type: 'integer',
      description: fieldDoc('batch.v1.CronJobStatus.active'),
      value: ({ status }) => status?.active?.length ?? 0,
    },
    {
      name: 'Last Schedule',
      description: fieldDoc('batch.v1.CronJobStatus.lastScheduleTime'),
      value: ({ status }, nowMs) => (status?.lastScheduleTime ? translateTimestampSince(status.lastScheduleTime, nowMs) : '<none>'),
    },
    ageColumn,
    ...containerColumns<CronJob>(({ spec }) => spec.jobTemplate.spec?.template.spec),
    {
      name: 'Selector',
      priority: 1,
      description: fieldDoc('batch.v1.JobSpec.selector'),
      value: ({ spec }) => formatLabelSelector(spec.jobTemplate.spec?.selector),
    },
  ],
});
