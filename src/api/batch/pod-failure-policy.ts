import { allowOneOf, reject } from '../core/checks.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
} from '../generated/batch.v1.ts';
import { isQualifiedName } from '../names.ts';

const maxRules = 20;
const maxPatterns = 20;
const maxExitCodes = 255;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];

/** Go's `%q` of a list of strings. */
const goQuoted = (values: readonly string[]) => `[${values.map((v) => JSON.stringify(v)).join(' ')}]`;

/** A condition that says no status is one that is true. */
export function defaultPodFailurePolicy({ podFailurePolicy }: JobSpec): void {
  for (const { onPodConditions = [] } of podFailurePolicy?.rules ?? []) for (const pattern of onPodConditions) pattern.status ||= 'True';
}

function requireKnown(errors: FieldErrors, path: FieldPath, value: string | undefined, known: readonly string[]): void {
  if (!value) errors.required(path, `valid values: ${goQuoted(known)}`);
  else allowOneOf(errors, path, value, known);
}

function validateConditions(patterns: readonly PodFailurePolicyOnPodConditionsPattern[], path: FieldPath, errors: FieldErrors): void {
  if (patterns.length > maxPatterns) errors.tooMany(path, patterns.length, maxPatterns);
  for (const [i, { type = '', status }] of patterns.entries()) {
    reject(errors, path.index(i).child('type'), type, isQualifiedName(type));
    requireKnown(errors, path.index(i).child('status'), status, statuses);
  }
}

function validateExitCodes(
  { operator, containerName, values = [] }: PodFailurePolicyOnExitCodesRequirement,
  containerNames: readonly string[],
  path: FieldPath,
  errors: FieldErrors,
): void {
  requireKnown(errors, path.child('operator'), operator, operators);
  if (containerName !== undefined && !containerNames.includes(containerName))
    errors.invalid(path.child('containerName'), containerName, 'must be one of the container or initContainer names in the pod template');
  const at = path.child('values');
  if (values.length === 0) errors.invalid(at, null, 'at least one value is required');
  else if (values.length > maxExitCodes) errors.tooMany(at, values.length, maxExitCodes);
  for (const [i, value] of values.entries()) {
    if (operator === 'In' && value === 0) errors.invalid(at.index(i), value, 'must not be 0 for the In operator');
    if (values.indexOf(value) < i) errors.duplicate(at.index(i), value);
  }
  if (values.some((value, i) => i > 0 && (values[i - 1] ?? 0) > value)) errors.invalid(at, values, 'must be ordered');
}

function validateRule(
  spec: JobSpec,
  rule: PodFailurePolicyRule,
  containerNames: readonly string[],
  path: FieldPath,
  errors: FieldErrors,
): void {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  if (action === 'FailIndex') {
    if (spec.backoffLimitPerIndex === undefined)
      errors.invalid(path.child('action'), action, 'requires the backoffLimitPerIndex to be set');
  } else requireKnown(errors, path.child('action'), action, actions);
  if (onExitCodes) validateExitCodes(onExitCodes, containerNames, path.child('onExitCodes'), errors);
  validateConditions(onPodConditions, path.child('onPodConditions'), errors);
  if (onExitCodes && onPodConditions.length > 0)
    errors.invalidWhole(path, 'specifying both OnExitCodes and OnPodConditions is not supported');
  if (!onExitCodes && onPodConditions.length === 0)
    errors.invalidWhole(path, 'specifying one of OnExitCodes and OnPodConditions is required');
}

export function validatePodFailurePolicy(spec: JobSpec, path: FieldPath, errors: FieldErrors): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = path.child('rules');
  if (rules.length > maxRules) errors.tooMany(at, rules.length, maxRules);
  const { containers = [], initContainers = [] } = spec.template.spec ?? {};
  const containerNames = [...containers, ...initContainers].map((c) => c.name);
  for (const [i, rule] of rules.entries()) validateRule(spec, rule, containerNames, at.index(i), errors);
}
