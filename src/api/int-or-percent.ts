/** Validation of values such as `3` or `25%` (`intstr.IntOrString`), in upstream's words. */
import { notNegative } from './core/checks.ts';
import type { FieldErrors, FieldPath } from './fields.ts';
import { isPercent } from './names.ts';

export type IntOrString = number | string;

/** A number that is not negative, or a percentage. */
export function requireNonNegativeIntOrPercent(value: IntOrString | undefined, path: FieldPath, errors: FieldErrors): void {
  if (typeof value === 'string') for (const message of isPercent(value)) errors.invalid(path, value, message);
  else if (value !== undefined && value < 0) errors.invalid(path, value, notNegative);
}

const percentOf = (value: IntOrString | undefined) =>
  typeof value === 'string' && isPercent(value).length === 0 ? Number(value.slice(0, -1)) : undefined;

export function requireAtMost100Percent(value: IntOrString | undefined, path: FieldPath, errors: FieldErrors): void {
  if ((percentOf(value) ?? 0) > 100) errors.invalid(path, value, 'must not be greater than 100%');
}

/** Whether a number or percentage is zero: `0` and `0%`, and to upstream every text that is no percentage. */
export function isZero(value: IntOrString | undefined): boolean {
  return (typeof value === 'string' ? (percentOf(value) ?? 0) : (value ?? 0)) === 0;
}
