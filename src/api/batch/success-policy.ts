import { requireNonNegative } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { JobSpec, SuccessPolicyRule } from '../generated/batch.v1.ts';

const maxRules = 20;
const maxIndexesBytes = 64 * 1024;

/**
 * Reads `1,3-5` and answers how many indexes it names.
 * @throws RangeError that says what is wrong, in upstream's words.
 */
function countIndexes(text: string, completions: number): number {
  if (text === '') return 0;
  let total = 0;
  let last = -1;
  const read = (part: string) => {
    if (!/^[+-]?\d+$/.test(part)) throw new RangeError(`cannot convert string to integer for index: ${JSON.stringify(part)}`);
    const index = Number(part);
    if (index >= completions) throw new RangeError(`too large index: ${JSON.stringify(part)}`);
    if (index <= last) throw new RangeError(`non-increasing order, previous: ${last}, current: ${index}`);
    last = index;
    return index;
  };
  for (const interval of text.split(',')) {
    const parts = interval.split('-');
    if (parts.length > 2)
      throw new RangeError(
        `the fragment ${JSON.stringify(interval)} violates the requirement that an index interval can have at most two parts separated by '-'`,
      );
    const [first = '', end] = parts;
    const from = read(first);
    total += end === undefined ? 1 : read(end) - from + 1;
  }
  return total;
}

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
