import { requireNonNegative } from '../core/checks.ts';
import { deepEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import { ControllerRevision } from '../generated/apps.v1.ts';
import * as v1beta1 from '../generated/apps.v1beta1.ts';
import * as v1beta2 from '../generated/apps.v1beta2.ts';
import { isJsonObject } from '../json-object.ts';
import { defineKind } from '../kind.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { parseApiVersion } from '../resource.ts';
import { sameShape } from '../served-version.ts';

const dataPath = new FieldPath('data');

/** `statefulset.apps/web`: the owner that controls the object. */
function controllerName(revision: ControllerRevision): string {
  const owner = revision.metadata.ownerReferences?.find((o) => o.controller);
  if (!owner) return '<none>';
  const { group } = parseApiVersion(owner.apiVersion);
  return `${owner.kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${owner.name}`;
}

export const controllerRevision = defineKind<ControllerRevision>({
  resource: ControllerRevision,
  versions: [sameShape(v1beta1.ControllerRevision, ControllerRevision), sameShape(v1beta2.ControllerRevision, ControllerRevision)],
  validate: ({ revision }, errors) => requireNonNegative(errors, new FieldPath('revision'), revision),
  validateCreate({ data }, errors) {
    if (data === undefined || data === null) errors.required(dataPath, 'data is mandatory');
    else if (!isJsonObject(data)) errors.required(dataPath, 'data must be a valid JSON object');
  },
  validateUpdate(next, prev, errors) {
    // Of raw data upstream compares the bytes.
    if (!deepEqual(next.data, prev.data)) errors.invalid(dataPath, next.data, fieldImmutable);
  },
  columns: [
    nameColumn,
    { name: 'Controller', description: 'Controller of the object', value: controllerName },
    {
      name: 'Revision',
      description: fieldDoc('apps.v1.ControllerRevision.revision'),
      value: (r) => r.revision ?? 0,
    },
    ageColumn,
  ],
});
