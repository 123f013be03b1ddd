import { reject } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { ServiceCIDR } from '../generated/networking.v1.ts';
import * as v1beta1 from '../generated/networking.v1beta1.ts';
import { isCanonicalCidr, parseCidr } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const cidrsPath = new FieldPath('spec').child('cidrs');

function validateCidrs({ spec }: ServiceCIDR, errors: FieldErrors): void {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) errors.required(cidrsPath, 'at least one CIDR required');
  // Upstream shows its internal type.
  else if (cidrs.length > 2) errors.invalid(cidrsPath, { CIDRs: cidrs }, 'may only hold up to 2 values');
  if (cidrs.length === 0 || cidrs.length > 2) return;
  for (const [i, cidr] of cidrs.entries()) reject(errors, cidrsPath.index(i), cidr, isCanonicalCidr(cidr));
  const [first, second] = cidrs.map((cidr) => parseCidr(cidr)?.address.family);
  if (first !== undefined && first === second)
    errors.invalid(cidrsPath, cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64');
}

export const serviceCidr = defineKind<ServiceCIDR>({
  resource: ServiceCIDR,
  versions: [sameShape(v1beta1.ServiceCIDR, ServiceCIDR)],
  generation: false,
  validateCreate: validateCidrs,
  // A range may gain its second family; what it has stays.
  validateUpdate(next, prev, errors) {
    const before = prev.spec?.cidrs ?? [];
    const after = next.spec?.cidrs ?? [];
    const gains = before.length === 1 && after.length === 2;
    if (before.length !== after.length && !gains) errors.invalid(cidrsPath, after.length === 0 ? null : after, fieldImmutable);
    else for (const [i, cidr] of before.entries()) if (after[i] !== cidr) errors.invalid(cidrsPath.index(i), after[i], fieldImmutable);
    if (gains) validateCidrs(next, errors);
  },
  subresources: { status: { keepsMetadata: true } },
  columns: [
    nameColumn,
    {
      name: 'CIDRs',
      description: fieldDoc('networking.v1.ServiceCIDRSpec.cidrs'),
      value: ({ spec }) => (spec?.cidrs ?? []).join(','),
    },
    ageColumn,
  ],
});
