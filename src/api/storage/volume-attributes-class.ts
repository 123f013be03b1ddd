import { semanticEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import { VolumeAttributesClass } from '../generated/storage.v1.ts';
import * as v1alpha1 from '../generated/storage.v1alpha1.ts';
import * as v1beta1 from '../generated/storage.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { validateParameters, validateProvisioner } from './parameters.ts';

const root = new FieldPath();

export const volumeAttributesClass = defineKind<VolumeAttributesClass>({
  resource: VolumeAttributesClass,
  answersDeleted: true,
  shortNames: ['vac'],
  versions: [
    sameShape(v1beta1.VolumeAttributesClass, VolumeAttributesClass),
    sameShape(v1alpha1.VolumeAttributesClass, VolumeAttributesClass),
  ],
  validate({ driverName = '', parameters }, errors) {
    validateProvisioner(driverName, root.child('driverName'), errors);
    validateParameters(parameters, false, root.child('parameters'), errors);
  },
  validateFirst(next, prev, errors) {
    if (!prev) return;
    for (const field of ['driverName', 'parameters'] as const)
      if (!semanticEqual(next[field], prev[field])) errors.forbidden(root.child(field), `updates to ${field} are forbidden.`);
  },
  columns: [
    nameColumn,
    { name: 'DriverName', description: fieldDoc('storage.v1.VolumeAttributesClass.driverName'), value: (vac) => vac.driverName ?? '' },
    ageColumn,
  ],
});
