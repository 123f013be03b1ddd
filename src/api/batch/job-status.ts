/**
 * What a Job's status may say, and how it may change: controllers other than ours write it, too (`spec.managedBy`). What was wrong
 * before an update may stay wrong, so each rule looks only at what the update changes.
 */
import { requireCounts } from '../apps/template-rules.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Job, JobStatus } from '../generated/batch.v1.ts';
import { internalForm } from '../internal-form.ts';
import { fieldImmutable } from '../object-meta.ts';
import { firstCommonIndex, readIndexes } from './index-list.ts';

const path = new FieldPath('status');
const conditionsPath = path.child('conditions');

const isTrue = (status: JobStatus, type: string) => (status.conditions ?? []).some((c) => c.type === type && c.status === 'True');

export function validateJobStatus(next: Job, prev: Job, errors: FieldErrors): void {
  const status = next.status ?? {};
  const before = prev.status ?? {};
  requireCounts(status, ['active', 'succeeded', 'failed', 'ready', 'terminating'], path, errors);
  validateUncounted(status, errors);
  validateConditions(next, status, before, errors);
  validateTimes(next, status, before, errors);
  validateFinished(status, before, errors);
  validateIndexLists(next, status, before, errors);
  validateCounters(next, status, before, errors);
}

function validateUncounted({ uncountedTerminatedPods }: JobStatus, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const list of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (uncountedTerminatedPods?.[list] ?? []).entries()) {
      const at = path.child('uncountedTerminatedPods', list).index(i);
      if (uid === '') errors.invalid(at, uid, 'must not be empty');
      else if (seen.has(uid)) errors.duplicate(at, uid);
      seen.add(uid);
    }
  }
}

function validateConditions(job: Job, status: JobStatus, before: JobStatus, errors: FieldErrors): void {
  const is = (type: string) => isTrue(status, type);
  const was = (type: string) => isTrue(before, type);
  const changed = (...types: string[]) => types.some((type) => is(type) !== was(type));
  const refuse = (detail: string) => errors.invalidWhole(conditionsPath, detail);
  if (changed('Complete', 'Failed') && is('Complete') && is('Failed')) refuse('cannot set Complete=True and Failed=true conditions');
  if (changed('Complete', 'FailureTarget') && is('Complete') && is('FailureTarget'))
    refuse('cannot set Complete=True and FailureTarget=true conditions');
  if (changed('Failed', 'FailureTarget') && is('Failed') && !is('FailureTarget'))
    refuse('cannot set Failed=True condition without the FailureTarget=true condition');
  if (changed('Complete', 'SuccessCriteriaMet') && is('Complete') && !is('SuccessCriteriaMet'))
    refuse('cannot set Complete=True condition without the SuccessCriteriaMet=true condition');
  if (is('SuccessCriteriaMet') && is('Failed')) refuse('cannot set SuccessCriteriaMet=True and Failed=true conditions');
  if (is('SuccessCriteriaMet') && is('FailureTarget')) refuse('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
  if (job.spec.successPolicy && is('Complete') && !is('SuccessCriteriaMet'))
    refuse('cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True');
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (was(type) && !is(type)) refuse(`cannot disable the terminal ${type}=True condition`);
  if (was('SuccessCriteriaMet') && !is('SuccessCriteriaMet')) refuse('cannot disable the SuccessCriteriaMet=True condition');
  if (was('Complete') && !was('SuccessCriteriaMet') && is('SuccessCriteriaMet'))
    refuse('cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions');
}

function validateTimes(job: Job, status: JobStatus, before: JobStatus, errors: FieldErrors): void {
  const { startTime, completionTime } = status;
  const complete = isTrue(status, 'Complete');
  const startChanged = startTime !== before.startTime;
  const completionChanged = completionTime !== before.completionTime;
  const at = path.child('completionTime');
  if (completionChanged || complete !== isTrue(before, 'Complete')) {
    if (completionTime !== undefined && !complete)
      errors.invalid(at, completionTime, 'cannot set completionTime when there is no Complete=True condition');
    if (completionTime === undefined && complete) errors.required(at, 'completionTime is required for Complete jobs');
  }
  const backwards = startTime !== undefined && completionTime !== undefined && Date.parse(completionTime) < Date.parse(startTime);
  if ((startChanged || completionChanged) && backwards) errors.invalid(at, completionTime, 'must be equal to or after `startTime`');
  if (completionChanged && completionTime !== undefined && before.completionTime !== undefined)
    errors.invalid(at, completionTime, fieldImmutable);
  if (startChanged && before.startTime !== undefined && !job.spec.suspend)
    errors.invalid(path.child('startTime'), startTime, 'field is immutable for unsuspended job once set');
}

function validateFinished(status: JobStatus, before: JobStatus, errors: FieldErrors): void {
  const finished = (s: JobStatus) => isTrue(s, 'Complete') || isTrue(s, 'Failed');
  const changed = (field: keyof JobStatus) => finished(status) !== finished(before) || !semanticEqual(status[field], before[field]);
  const { active = 0, ready = 0, terminating = 0, startTime, uncountedTerminatedPods: uncounted } = status;
  if ((status.active !== before.active || status.ready !== before.ready) && ready > active)
    errors.invalid(path.child('ready'), ready, 'cannot set more ready pods than active');
  if (!finished(status)) return;
  if (changed('active') && active > 0) errors.invalid(path.child('active'), active, 'active>0 is invalid for finished job');
  if (changed('startTime') && startTime === undefined) errors.required(path.child('startTime'), 'startTime is required for finished job');
  if (changed('uncountedTerminatedPods') && (uncounted?.failed?.length ?? 0) + (uncounted?.succeeded?.length ?? 0) > 0)
    errors.invalid(
      path.child('uncountedTerminatedPods'),
      internalForm('batch.v1.UncountedTerminatedPods', uncounted),
      'must be empty for finished job',
    );
  if (changed('terminating') && terminating > 0)
    errors.invalid(path.child('terminating'), terminating, 'terminating>0 is invalid for finished job');
}

function validateIndexLists(job: Job, status: JobStatus, before: JobStatus, errors: FieldErrors): void {
  const { completions, backoffLimitPerIndex, completionMode } = job.spec;
  const { completedIndexes = '', failedIndexes } = status;
  const completedChanged = completedIndexes !== (before.completedIndexes ?? '');
  const failedChanged = failedIndexes !== before.failedIndexes;
  const checkReadable = (name: 'completedIndexes' | 'failedIndexes', text: string): void => {
    try {
      readIndexes(text, completions ?? 0);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      errors.invalid(path.child(name), text, `error parsing ${name}: ${error.message}`);
    }
  };
  if (completions !== undefined) {
    if (completedChanged) checkReadable('completedIndexes', completedIndexes);
    if (failedChanged && failedIndexes !== undefined && backoffLimitPerIndex !== undefined) checkReadable('failedIndexes', failedIndexes);
  }
  if (completedChanged && completedIndexes !== '' && completionMode !== 'Indexed')
    errors.invalid(
      path.child('completedIndexes'),
      completedIndexes,
      'cannot set non-empty completedIndexes when non-indexed completion mode',
    );
  if (failedChanged && failedIndexes !== undefined && backoffLimitPerIndex === undefined)
    errors.invalid(path.child('failedIndexes'), failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null');
  if (completions === undefined || failedIndexes === undefined || (!completedChanged && !failedChanged)) return;
  const common = firstCommonIndex(completedIndexes, failedIndexes, completions);
  if (common !== undefined)
    errors.invalid(path.child('failedIndexes'), failedIndexes, `failedIndexes and completedIndexes overlap at index: ${common}`);
}

/** A job with as many completions as it runs at once may be made smaller, and then has fewer successes. */
function validateCounters({ spec }: Job, status: JobStatus, before: JobStatus, errors: FieldErrors): void {
  const { failed = 0, succeeded = 0 } = status;
  if (failed < (before.failed ?? 0)) errors.invalid(path.child('failed'), failed, 'cannot decrease the failed counter');
  const elastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (succeeded < (before.succeeded ?? 0) && !elastic)
    errors.invalid(path.child('succeeded'), succeeded, 'cannot decrease the succeeded counter');
}
