/** How much of a device's capacity a request may take where several share it (KEP-5075). */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity } from '../generated/resource.v1.ts';
import { addQuantities, canonicalQuantity, compareQuantities, formatQuantity, quantityValue } from '../quantity.ts';
import { validateSet } from './checks.ts';

const maxValidValues = 10;
const valueKey = (quantity: string) => String(quantityValue(quantity));

function validateValues(values: readonly string[], standard: string, capacity: string, path: FieldPath, errors: FieldErrors): void {
  for (const [i, value] of values.entries()) {
    const next = values[i + 1];
    if (next !== undefined && compareQuantities(value, next) > 0)
      errors.invalid(path.index(i + 1), next, 'values must be sorted in ascending order');
  }
  validateSet(
    values,
    maxValidValues,
    (value, at) => {
      if (compareQuantities(value, capacity) > 0) errors.invalid(at, value, `option is larger than capacity value: ${capacity}`);
    },
    valueKey,
    path,
    errors,
  );
  if (!values.some((value) => compareQuantities(value, standard) === 0))
    errors.invalid(path, standard, 'default value is not valid according to the requestPolicy');
}

function validateStep(
  range: CapacityRequestPolicyRange,
  min: string,
  standard: string,
  capacity: string,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const { step, max } = range;
  if (step === undefined) return;
  if (compareQuantities(step, '0') <= 0) {
    errors.invalid(path, step, 'must be greater than zero');
    return;
  }
  const first = addQuantities(min, step);
  if (compareQuantities(first, capacity) > 0)
    errors.invalid(path, step, `one step ${formatQuantity(first)} is larger than capacity value: ${capacity}`);
  for (const value of [standard, ...(max === undefined ? [] : [max])])
    if ((quantityValue(value) - quantityValue(min)) % quantityValue(step) !== 0)
      errors.invalid(path, value, `value is not a multiple of a given step (${step}) from (${min})`);
}

function validateRange(range: CapacityRequestPolicyRange, standard: string, capacity: string, path: FieldPath, errors: FieldErrors): void {
  const { min, max } = range;
  if (min === undefined) {
    errors.required(path.child('min'), 'required when validRange is defined');
    return;
  }
  if (compareQuantities(min, capacity) > 0) errors.invalid(path.child('min'), min, `min is larger than capacity value: ${capacity}`);
  if (compareQuantities(standard, min) < 0) errors.invalid(path.child('default'), standard, `default is less than min: ${min}`);
  if (max !== undefined) {
    if (compareQuantities(min, max) > 0) errors.invalid(path.child('max'), min, `min is larger than max: ${max}`);
    if (compareQuantities(max, capacity) > 0) errors.invalid(path.child('max'), max, `max is larger than capacity value: ${capacity}`);
    if (compareQuantities(standard, max) > 0) errors.invalid(path.child('default'), standard, `default is more than max: ${max}`);
  }
  validateStep(range, min, standard, capacity, path.child('step'), errors);
}

function validatePolicy(policy: CapacityRequestPolicy, capacity: string, path: FieldPath, errors: FieldErrors): void {
  const { default: standard, validValues = [], validRange } = policy;
  const field = validValues.length > 0 ? 'validValues' : 'validRange';
  if (validValues.length > 0 && validRange)
    errors.forbidden(path, 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time');
  else if (validValues.length === 0 && !validRange) return;
  else if (standard === undefined) errors.required(path.child('default'), `required when ${field} is defined`);
  else if (validRange) validateRange(validRange, standard, capacity, path.child('validRange'), errors);
  else validateValues(validValues, standard, capacity, path.child('validValues'), errors);
}

export function validateCapacity({ value, requestPolicy }: DeviceCapacity, shared: boolean, path: FieldPath, errors: FieldErrors): void {
  if (!requestPolicy) return;
  if (shared) validatePolicy(requestPolicy, canonicalQuantity(value), path.child('requestPolicy'), errors);
  else errors.forbidden(path.child('requestPolicy'), 'allowMultipleAllocations must be true');
}
