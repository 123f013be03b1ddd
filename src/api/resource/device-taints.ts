import type { FieldErrors, FieldPath } from '../fields.ts';
import type { DeviceTaint, DeviceToleration } from '../generated/resource.v1.ts';
import { validateLabelKey, validateLabelText } from './checks.ts';

const effects = ['NoExecute', 'NoSchedule', 'None'];
const operators = ['Equal', 'Exists'];

export function validateTaint(taint: DeviceTaint, prev: DeviceTaint | undefined, path: FieldPath, errors: FieldErrors): void {
  validateLabelKey(taint.key, path.child('key'), errors);
  if (taint.value) validateLabelText(taint.value, path.child('value'), errors);
  if (prev && prev.effect === taint.effect) return;
  if (!taint.effect) errors.required(path.child('effect'));
  else if (!effects.includes(taint.effect)) errors.notSupported(path.child('effect'), taint.effect, effects);
}

export function validateToleration(toleration: DeviceToleration, path: FieldPath, errors: FieldErrors): void {
  const { key, operator, value = '', effect } = toleration;
  if (key) validateLabelKey(key, path.child('key'), errors);
  if (operator === 'Exists') {
    if (value !== '') errors.invalid(path.child('value'), value, 'must be empty for operator `Exists`');
  } else if (operator === 'Equal') validateLabelText(value, path.child('value'), errors);
  else if (!operator) errors.required(path.child('operator'));
  else errors.notSupported(path.child('operator'), operator, operators);
  if (effect && !effects.includes(effect)) errors.notSupported(path.child('effect'), effect, effects);
}

/** A taint says since when it holds. */
export function stampTaint(taint: DeviceTaint, now: string): void {
  taint.timeAdded ??= now;
}
