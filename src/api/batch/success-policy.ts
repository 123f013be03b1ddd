import { requireNonNegative } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { JobSpec, SuccessPolicyRule } from '../generated/batch.v1.ts';
import { countIndexes } from './index-list.ts';

const maxRules = 20;
const maxIndexesBytes = 64 * 1024;

function validateRule(rule: SuccessPolicyRule, completions: number, path: FieldPath, errors: FieldErrors): void {
  const { succeededCount, succeededIndexes } = rule;
  if (succeededCount === undefined && succeededIndexes === undefined)
    errors.required(path, 'at least one of succeededCount or succeededIndexes must be specified');
  let total = 0;
  if (succeededIndexes !== undefined) {
    const at = path.child('succeededIndexes');
    if (succeededIndexes.length > maxIndexesBytes) errors.tooLong(at, maxIndexesBytes);
    try {
      total = countIndexes(succeededIndexes, completions);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      errors.invalid(at, succeededIndexes, `error parsing succeededIndexes: ${error.message}`);
    }
  }
  if (succeededCount === undefined) return;
  const at = path.child('succeededCount');
  requireNonNegative(errors, at, succeededCount);
  if (succeededCount > completions)
    errors.invalid(at, succeededCount, `must be less than or equal to ${completions} (the number of specified completions)`);
  if (succeededIndexes !== undefined && succeededCount > total)
    errors.invalid(
      at,
      succeededCount,
      `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
    );
}

export function validateSuccessPolicy(spec: JobSpec, path: FieldPath, errors: FieldErrors): void {
  const rules = spec.successPolicy?.rules ?? [];
  const at = path.child('rules');
  if (rules.length === 0) errors.required(at, 'at least one rules must be specified when the successPolicy is specified');
  if (rules.length > maxRules) errors.tooMany(at, rules.length, maxRules);
  for (const [i, rule] of rules.entries()) validateRule(rule, spec.completions ?? 0, at.index(i), errors);
}
