/** Validation of a job's spec, in a Job and in a CronJob's template (upstream: pkg/apis/batch/validation). */
import { allowOneOf, requireDomainPrefixedPath, requireNonNegative } from '../core/checks.ts';
import { validatePodTemplate } from '../core/pod-spec.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { JobSpec } from '../generated/batch.v1.ts';
import { internalForm } from '../internal-form.ts';
import { validatePodFailurePolicy } from './pod-failure-policy.ts';
import { validateSuccessPolicy } from './success-policy.ts';

const maxIndexedParallelism = 100_000;
const highCompletionsLimit = 10_000;
const maxManagerLength = 63;
const counts = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

function validateIndexed(spec: JobSpec, path: FieldPath, errors: FieldErrors): void {
  const { completions, parallelism, maxFailedIndexes, backoffLimitPerIndex } = spec;
  if (completions === undefined) errors.required(path.child('completions'), 'when completion mode is Indexed');
  if (parallelism !== undefined && parallelism > maxIndexedParallelism)
    errors.invalid(
      path.child('parallelism'),
      parallelism,
      `must be less than or equal to ${maxIndexedParallelism} when completion mode is Indexed`,
    );
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions)
    errors.invalid(path.child('maxFailedIndexes'), maxFailedIndexes, 'must be less than or equal to completions');
  if (maxFailedIndexes !== undefined && maxFailedIndexes > maxIndexedParallelism)
    errors.invalid(path.child('maxFailedIndexes'), maxFailedIndexes, `must be less than or equal to ${maxIndexedParallelism}`);
  if (completions === undefined || completions <= maxIndexedParallelism || backoffLimitPerIndex === undefined) return;
  if (maxFailedIndexes === undefined)
    errors.required(path.child('maxFailedIndexes'), `must be specified when completions is above ${maxIndexedParallelism}`);
  for (const field of ['parallelism', 'maxFailedIndexes'] as const)
    if ((spec[field] ?? 0) > highCompletionsLimit)
      errors.invalid(
        path.child(field),
        spec[field],
        `must be less than or equal to ${highCompletionsLimit} when completions are above ${maxIndexedParallelism} and used with backoff limit per index`,
      );
}

export function validateJobSpec(spec: JobSpec, path: FieldPath, errors: FieldErrors): void {
  for (const field of counts) requireNonNegative(errors, path.child(field), spec[field]);
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.required(path.child('backoffLimitPerIndex'), 'when maxFailedIndexes is specified');
  const { completionMode, managedBy } = spec;
  if (managedBy !== undefined) {
    requireDomainPrefixedPath(errors, path.child('managedBy'), managedBy);
    if (managedBy.length > maxManagerLength) errors.tooLong(path.child('managedBy'), maxManagerLength);
  }
  if (completionMode !== undefined && completionMode !== 'NonIndexed' && completionMode !== 'Indexed')
    errors.notSupported(path.child('completionMode'), completionMode, ['NonIndexed', 'Indexed']);
  if (completionMode === 'Indexed') validateIndexed(spec, path, errors);
  if (completionMode === undefined || completionMode === 'NonIndexed')
    for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
      if (spec[field] !== undefined) errors.invalid(path.child(field), spec[field], 'requires indexed completion mode');
  if (spec.podFailurePolicy) validatePodFailurePolicy(spec, path.child('podFailurePolicy'), errors);
  if (spec.successPolicy) {
    if (completionMode !== 'Indexed')
      errors.invalid(
        path.child('successPolicy'),
        internalForm('batch.v1.SuccessPolicy', spec.successPolicy),
        'requires indexed completion mode',
      );
    else validateSuccessPolicy(spec, path.child('successPolicy'), errors);
  }
  if (spec.podReplacementPolicy !== undefined) {
    const supported = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
    allowOneOf(errors, path.child('podReplacementPolicy'), spec.podReplacementPolicy, supported);
  }
  validatePodTemplate(spec.template, path.child('template'), errors);
  const restartPolicy = spec.template.spec?.restartPolicy ?? '';
  const restartPath = path.child('template', 'spec', 'restartPolicy');
  if (restartPolicy === '' || restartPolicy === 'Always') errors.required(restartPath, 'valid values: "OnFailure", "Never"');
  else if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    errors.notSupported(restartPath, restartPolicy, ['OnFailure', 'Never']);
  else if (spec.podFailurePolicy && restartPolicy !== 'Never')
    errors.invalid(restartPath, restartPolicy, 'only "Never" is supported when podFailurePolicy is specified');
}
