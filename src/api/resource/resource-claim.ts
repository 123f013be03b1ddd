import { FieldPath } from '../fields.ts';
import { ResourceClaim } from '../generated/resource.v1.ts';
import * as v1beta1 from '../generated/resource.v1beta1.ts';
import * as v1beta2 from '../generated/resource.v1beta2.ts';
import { defineKind } from '../kind.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { convertedVersion, sameShape } from '../served-version.ts';
import { dropDeallocated, validateClaimStatus } from './claim-status.ts';
import { defaultDeviceClaim, validateDeviceClaim } from './device-claim.ts';
import { defaultV1beta1Claim, fromClaimSpec, toClaimSpec } from './v1beta1.ts';

const specPath = new FieldPath('spec');

const claimV1beta1 = convertedVersion(v1beta1.ResourceClaim, ResourceClaim, {
  defaults: ({ spec }) => defaultV1beta1Claim(spec?.devices),
  toStorage: ({ spec, ...claim }) => ({ ...claim, spec: toClaimSpec(spec) }),
  fromStorage: ({ spec, ...claim }) => ({ ...claim, spec: fromClaimSpec(spec) }),
});

function stateCell({ metadata, status }: ResourceClaim): string {
  const isDeleted = metadata.deletionTimestamp !== undefined;
  if (!status?.allocation) return isDeleted ? 'deleted' : 'pending';
  return [...(isDeleted ? ['deleted'] : []), 'allocated', ...(status.reservedFor?.length ? ['reserved'] : [])].join(',');
}

/** Devices that somebody needs, and the ones that were found (KEP-4381). */
export const resourceClaim = defineKind<ResourceClaim>({
  resource: ResourceClaim,
  answersDeleted: true,
  versions: [sameShape(v1beta2.ResourceClaim, ResourceClaim), claimV1beta1],
  generation: false,
  defaults: ({ spec }) => defaultDeviceClaim(spec?.devices),
  validateCreate({ spec }, errors) {
    if (spec?.devices) validateDeviceClaim(spec.devices, specPath.child('devices'), errors);
  },
  validateUpdate: (next, prev, errors) => validateImmutable(next.spec, prev.spec, specPath, errors, 'resource.v1.ResourceClaimSpec'),
  subresources: { status: { keepsMetadata: true, adjust: dropDeallocated, validate: validateClaimStatus } },
  columns: [
    nameColumn,
    { name: 'State', description: 'A summary of the current state (allocated, pending, reserved, etc.).', value: stateCell },
    ageColumn,
  ],
});
