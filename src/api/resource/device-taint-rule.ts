import { type FieldErrors, FieldPath } from '../fields.ts';
import * as v1alpha3 from '../generated/resource.v1alpha3.ts';
import { DeviceTaintRule } from '../generated/resource.v1beta2.ts';
import { defineKind } from '../kind.ts';
import { validateConditions } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn, translateTimestampSince } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { validateDriverName, validatePoolName, validateShortName } from './checks.ts';
import { stampTaint, validateTaint } from './device-taints.ts';

const specPath = new FieldPath('spec');
const conditionsPath = new FieldPath('status').child('conditions');
const maxConditions = 8;

function validateSpec({ spec }: DeviceTaintRule, prev: DeviceTaintRule | undefined, errors: FieldErrors): void {
  const { driver, pool, device } = spec.deviceSelector ?? {};
  const path = specPath.child('deviceSelector');
  if (driver !== undefined) validateDriverName(driver, path.child('driver'), errors);
  if (pool !== undefined) validatePoolName(pool, path.child('pool'), errors);
  if (device !== undefined) validateShortName(device, path.child('device'), errors);
  // A taint is required: one that is missing is reported as an empty one.
  validateTaint(spec.taint ?? { key: '', effect: '' as 'None' }, prev?.spec.taint, specPath.child('taint'), errors);
}

/** An administrator's taint on devices, beside what their driver says (KEP-5055). */
export const deviceTaintRule = defineKind<DeviceTaintRule>({
  resource: DeviceTaintRule,
  answersDeleted: true,
  versions: [sameShape(v1alpha3.DeviceTaintRule, DeviceTaintRule)],
  upstreamStorageVersion: 'v1alpha3',
  create: ({ spec }, { now }) => spec?.taint && stampTaint(spec.taint, now),
  update({ spec }, prev, { now }) {
    const { taint } = spec;
    const before = prev.spec.taint;
    // Another effect is another taint, which holds from now on.
    if (taint && before && taint.effect !== before.effect && taint.timeAdded === before.timeAdded) delete taint.timeAdded;
    if (taint) stampTaint(taint, now);
  },
  validateCreate: (rule, errors) => validateSpec(rule, undefined, errors),
  validateUpdate: (next, prev, errors) => validateSpec(next, prev, errors),
  subresources: {
    status: {
      keepsMetadata: true,
      validate({ status }, _prev, errors) {
        validateConditions(status?.conditions, conditionsPath, errors);
        const count = status?.conditions?.length ?? 0;
        if (count > maxConditions) errors.tooMany(conditionsPath, count, maxConditions);
      },
    },
  },
  columns: [
    nameColumn,
    { name: 'Key', description: fieldDoc('resource.v1.DeviceTaint.key'), value: ({ spec }) => spec.taint?.key ?? '' },
    { name: 'Value', description: fieldDoc('resource.v1.DeviceTaint.value'), value: ({ spec }) => spec.taint?.value ?? '' },
    { name: 'Effect', description: fieldDoc('resource.v1.DeviceTaint.effect'), value: ({ spec }) => spec.taint?.effect ?? '' },
    {
      name: 'TimeAdded',
      description: fieldDoc('resource.v1.DeviceTaint.timeAdded'),
      value: ({ spec }, nowMs) => (spec.taint?.timeAdded ? translateTimestampSince(spec.taint.timeAdded, nowMs) : ''),
    },
    ageColumn,
  ],
});
