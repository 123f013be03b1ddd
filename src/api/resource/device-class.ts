import { isExtendedResource } from '../core/resource-names.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { DeviceClass } from '../generated/resource.v1.ts';
import * as v1beta1 from '../generated/resource.v1beta1.ts';
import * as v1beta2 from '../generated/resource.v1beta2.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { validateSlice } from './checks.ts';
import { maxConfigs, validateConfiguration } from './device-claim.ts';
import { validateSelectors } from './device-selectors.ts';

const specPath = new FieldPath('spec');

function validateSpec(next: DeviceClass, prev: DeviceClass | undefined, errors: FieldErrors): void {
  const { selectors, config, extendedResourceName } = next.spec;
  const isStored = (field: 'selectors' | 'config') => prev !== undefined && semanticEqual(next.spec[field], prev.spec[field]);
  validateSelectors(selectors, isStored('selectors'), specPath.child('selectors'), errors);
  const stored = isStored('config');
  validateSlice(config, maxConfigs, (c, at) => validateConfiguration(c, stored, at, errors), specPath.child('config'), errors);
  if (extendedResourceName !== undefined && !isExtendedResource(extendedResourceName))
    errors.invalid(specPath.child('extendedResourceName'), extendedResourceName, 'must be a valid extended resource name');
}

/** Which devices an administrator lets people ask for, and how they are set up. */
export const deviceClass = defineKind<DeviceClass>({
  resource: DeviceClass,
  answersDeleted: true,
  versions: [sameShape(v1beta2.DeviceClass, DeviceClass), sameShape(v1beta1.DeviceClass, DeviceClass)],
  generation: (next, prev) => !semanticEqual(next.spec, prev.spec),
  validateCreate: (next, errors) => validateSpec(next, undefined, errors),
  validateUpdate: (next, prev, errors) => validateSpec(next, prev, errors),
  columns: [nameColumn, ageColumn],
});
