import { reject } from '../core/checks.ts';
import { FieldPath } from '../fields.ts';
import { IPAddress } from '../generated/networking.v1.ts';
import * as v1beta1 from '../generated/networking.v1beta1.ts';
import { isCanonicalIp } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Subdomain, isPathSegmentName } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const parentPath = new FieldPath('spec').child('parentRef');

export const ipAddress = defineKind<IPAddress>({
  resource: IPAddress,
  shortNames: ['ip'],
  versions: [sameShape(v1beta1.IPAddress, IPAddress)],
  generation: false,
  // The name is the address, in its one canonical form.
  validateName: isCanonicalIp,
  validate({ spec }, errors) {
    const parent = spec?.parentRef;
    if (!parent) {
      errors.required(parentPath);
      return;
    }
    const { group, resource, namespace, name } = parent;
    if (group) reject(errors, parentPath.child('group'), group, isDns1123Subdomain(group));
    if (resource) reject(errors, parentPath.child('resource'), resource, isPathSegmentName(resource));
    else errors.required(parentPath.child('resource'));
    if (name) reject(errors, parentPath.child('name'), name, isPathSegmentName(name));
    else errors.required(parentPath.child('name'));
    if (namespace) reject(errors, parentPath.child('namespace'), namespace, isPathSegmentName(namespace));
  },
  validateUpdate(next, prev, errors) {
    validateImmutable(next.spec?.parentRef, prev.spec?.parentRef, parentPath, errors, 'networking.v1.ParentReference');
  },
  columns: [
    nameColumn,
    {
      name: 'ParentRef',
      description: fieldDoc('networking.v1.IPAddressSpec.parentRef'),
      value({ spec }) {
        if (!spec?.parentRef) return '<none>';
        const { group, resource = '', namespace, name = '' } = spec.parentRef;
        const parent = `${resource}${group ? `.${group}` : ''}`.toLowerCase();
        return [parent, ...(namespace ? [namespace] : []), name].join('/');
      },
    },
  ],
});
