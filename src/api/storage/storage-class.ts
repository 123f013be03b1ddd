import { allowOneOf, reject } from '../core/checks.ts';
import { oldNodeLabel } from '../core/node-label-warnings.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { StorageClass } from '../generated/storage.v1.ts';
import * as v1beta1 from '../generated/storage.v1beta1.ts';
import { sortedMap } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { isQualifiedName } from '../names.ts';
import { fieldImmutable, validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { validateParameters, validateProvisioner } from './parameters.ts';

const root = new FieldPath();
const bindingModes = ['Immediate', 'WaitForFirstConsumer'];

function validateTopologies({ allowedTopologies = [] }: StorageClass, errors: FieldErrors): void {
  const seen: Record<string, string[]>[] = [];
  for (const [i, { matchLabelExpressions: expressions = [] }] of allowedTopologies.entries()) {
    const path = root.child('allowedTopologies').index(i).child('matchLabelExpressions');
    const term: Record<string, string[]> = {};
    for (const [j, { key = '', values = [] }] of expressions.entries()) {
      const at = path.index(j);
      if (values.length === 0) errors.required(at.child('values'));
      for (const [k, value] of values.entries()) if (values.indexOf(value) < k) errors.duplicate(at.child('values').index(k), value);
      reject(errors, at.child('key'), key, isQualifiedName(key));
      if (Object.hasOwn(term, key)) errors.duplicate(at.child('key'), key);
      term[key] = [...new Set(values)].sort();
    }
    // Upstream compares a term that says nothing with as many such terms as there are terms.
    const same = seen.filter((other) => semanticEqual(other, term)).length + (expressions.length === 0 ? allowedTopologies.length : 0);
    for (let n = 0; n < same; n++) errors.duplicate(path, '');
    seen.push(term);
  }
}

/** A claim without a class takes the newest of the classes that say so. */
export function isDefaultStorageClass({ metadata: { annotations } }: StorageClass): boolean {
  return (
    annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true' ||
    annotations?.['storageclass.beta.kubernetes.io/is-default-class'] === 'true'
  );
}

export const storageClass = defineKind<StorageClass>({
  resource: StorageClass,
  answersDeleted: true,
  shortNames: ['sc'],
  versions: [sameShape(v1beta1.StorageClass, StorageClass)],
  defaults(sc) {
    sc.reclaimPolicy ??= 'Delete';
    sc.volumeBindingMode ??= 'Immediate';
  },
  validate(sc, errors) {
    validateProvisioner(sc.provisioner, root.child('provisioner'), errors);
    validateParameters(sc.parameters, true, root.child('parameters'), errors);
    if (sc.reclaimPolicy) allowOneOf(errors, root.child('reclaimPolicy'), sc.reclaimPolicy, ['Delete', 'Retain']);
    allowOneOf(errors, root.child('volumeBindingMode'), sc.volumeBindingMode, bindingModes);
    validateTopologies(sc, errors);
  },
  validateUpdate(next, prev, errors) {
    if (!semanticEqual(next.parameters, prev.parameters))
      errors.invalid(root.child('parameters'), sortedMap(next.parameters), fieldImmutable);
    for (const field of ['provisioner', 'reclaimPolicy'] as const) validateImmutable(next[field], prev[field], root.child(field), errors);
    validateImmutable(next.volumeBindingMode, prev.volumeBindingMode, root.child('volumeBindingMode'), errors);
  },
  warnings: ({ allowedTopologies = [] }) =>
    allowedTopologies.flatMap(({ matchLabelExpressions = [] }, i) =>
      matchLabelExpressions.flatMap(({ key }, j) => {
        const message = oldNodeLabel(key);
        return message === undefined ? [] : [`allowedTopologies[${i}].matchLabelExpressions[${j}].key: ${message}`];
      }),
    ),
  columns: [
    { ...nameColumn, value: (sc) => `${sc.metadata.name}${isDefaultStorageClass(sc as StorageClass) ? ' (default)' : ''}` },
    { name: 'Provisioner', description: fieldDoc('storage.v1.StorageClass.provisioner'), value: (sc) => sc.provisioner ?? '' },
    {
      name: 'ReclaimPolicy',
      description: fieldDoc('storage.v1.StorageClass.reclaimPolicy'),
      value: (sc) => sc.reclaimPolicy ?? 'Delete',
    },
    {
      name: 'VolumeBindingMode',
      description: fieldDoc('storage.v1.StorageClass.volumeBindingMode'),
      value: (sc) => sc.volumeBindingMode ?? 'Immediate',
    },
    {
      name: 'AllowVolumeExpansion',
      description: fieldDoc('storage.v1.StorageClass.allowVolumeExpansion'),
      value: (sc) => sc.allowVolumeExpansion ?? false,
    },
    ageColumn,
  ],
});
