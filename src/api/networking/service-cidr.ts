import { reject } from '../core/checks.ts';
import { FieldPath } from '../fields.ts';
import { ServiceCIDR } from '../generated/networking.v1.ts';
import * as v1beta1 from '../generated/networking.v1beta1.ts';
import { isCanonicalCidr, parseCidr } from '../ip.ts';
import { defineKind } from '../kind.ts';
import { validateConditions } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const cidrsPath = new FieldPath('spec').child('cidrs');

export const serviceCidr = defineKind<ServiceCIDR>({
  resource: ServiceCIDR,
  versions: [sameShape(v1beta1.ServiceCIDR, ServiceCIDR)],
  validate({ spec }, errors) {
    const cidrs = spec?.cidrs ?? [];
    if (cidrs.length === 0) errors.required(cidrsPath, 'at least one CIDR required');
    if (cidrs.length > 2) errors.invalid(cidrsPath, spec, 'may only hold up to 2 values');
    const [first, second] = cidrs.map(parseCidr);
    if (first && second && first.address.family === second.address.family)
      errors.invalid(cidrsPath, spec, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96');
    for (const [i, cidr] of cidrs.entries()) reject(errors, cidrsPath.index(i), cidr, isCanonicalCidr(cidr));
  },
  // A range may gain its second family; what it has stays.
  validateUpdate(next, prev, errors) {
    const before = prev.spec?.cidrs ?? [];
    const after = next.spec?.cidrs ?? [];
    if (before.some((cidr, i) => after[i] !== cidr) || (before.length > 1 && after.length !== before.length))
      errors.invalid(cidrsPath, after, 'field is immutable');
  },
  subresources: {
    status: {
      keepsMetadata: true,
      validate: ({ status }, _prev, errors) => validateConditions(status?.conditions, new FieldPath('status').child('conditions'), errors),
    },
  },
  columns: [
    nameColumn,
    {
      name: 'CIDRs',
      description:
        'CIDRs defines the IP blocks in CIDR notation (e.g. "192.168.0.0/24" or "2001:db8::/64") from which to assign service cluster IPs.',
      value: ({ spec }) => (spec?.cidrs ?? []).join(','),
    },
    ageColumn,
  ],
});
