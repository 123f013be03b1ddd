import type { FieldErrors, FieldPath } from '../fields.ts';
import { validateLabelKey, validateSlice } from './checks.ts';

const maxConditions = 4;

interface BindingConditions {
  bindingConditions?: string[];
  bindingFailureConditions?: string[];
}

/** Conditions that a device's driver reports before a pod is bound to it (KEP-5007). */
export function validateBindingConditions(given: BindingConditions, path: FieldPath, errors: FieldErrors): void {
  const { bindingConditions: success = [], bindingFailureConditions: failure = [] } = given;
  const [successPath, failurePath] = [path.child('bindingConditions'), path.child('bindingFailureConditions')];
  for (const [list, at] of [
    [success, successPath],
    [failure, failurePath],
  ] as const)
    validateSlice(list, maxConditions, (type, p) => validateLabelKey(type, p, errors), at, errors);
  for (const [i, type] of success.entries()) if (success.indexOf(type) < i) errors.duplicate(successPath.index(i), type);
  for (const [i, type] of failure.entries()) {
    if (failure.indexOf(type) < i) errors.duplicate(failurePath.index(i), type);
    if (success.includes(type))
      errors.invalid(failurePath.index(i), type, 'bindingFailureConditions must not overlap with bindingConditions');
  }
  if (success.length === 0 && failure.length > 0)
    errors.invalid(successPath, null, 'bindingConditions are required to use bindingFailureConditions');
  if (failure.length === 0 && success.length > 0)
    errors.invalid(failurePath, null, 'bindingFailureConditions are required to use bindingConditions');
}
