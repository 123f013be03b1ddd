import { reject } from '../core/checks.ts';
import { nodeSelectorWarnings } from '../core/node-label-warnings.ts';
import { FieldPath } from '../fields.ts';
import { CSIStorageCapacity } from '../generated/storage.v1.ts';
import * as v1alpha1 from '../generated/storage.v1alpha1.ts';
import * as v1beta1 from '../generated/storage.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Subdomain } from '../names.ts';
import { validateImmutable, validateLabelSelector } from '../object-meta.ts';
import { fieldDoc, nameColumn } from '../printing.ts';
import { canonicalQuantity, compareQuantities } from '../quantity.ts';
import { sameShape } from '../served-version.ts';

const root = new FieldPath();

export const csiStorageCapacity = defineKind<CSIStorageCapacity>({
  resource: CSIStorageCapacity,
  versions: [sameShape(v1beta1.CSIStorageCapacity, CSIStorageCapacity), sameShape(v1alpha1.CSIStorageCapacity, CSIStorageCapacity)],
  validate(csc, errors) {
    validateLabelSelector(csc.nodeTopology, root.child('nodeTopology'), errors);
    reject(errors, root.child('storageClassName'), csc.storageClassName ?? '', isDns1123Subdomain(csc.storageClassName ?? ''));
    if (csc.capacity !== undefined && compareQuantities(csc.capacity, '0') < 0)
      errors.invalid(root.child('capacity'), canonicalQuantity(csc.capacity), 'must be greater than or equal to 0');
  },
  validateUpdate(next, prev, errors) {
    for (const field of ['nodeTopology', 'storageClassName'] as const)
      validateImmutable(next[field], prev[field], root.child(field), errors);
  },
  warnings: ({ nodeTopology }) => (nodeTopology ? nodeSelectorWarnings(nodeTopology, root.child('nodeTopology')) : []),
  allowUnconditionalUpdate: false,
  columns: [
    nameColumn,
    {
      name: 'StorageClassName',
      description: fieldDoc('storage.v1.CSIStorageCapacity.storageClassName'),
      value: (c) => c.storageClassName ?? '',
    },
    {
      name: 'Capacity',
      description: fieldDoc('storage.v1.CSIStorageCapacity.capacity'),
      value: (c) => c.capacity ?? '<unset>',
    },
  ],
});
