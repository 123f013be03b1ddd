import { allowOneOf, reject } from '../core/checks.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { Lease } from '../generated/coordination.v1.ts';
import * as v1beta1 from '../generated/coordination.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isQualifiedName } from '../names.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const specPath = new FieldPath('spec');
const strategies = ['OldestEmulationVersion'];

/** A strategy of Kubernetes, or somebody's own, with their domain. Upstream names the field twice. */
export function validateLeaseStrategy(strategy: string, errors: FieldErrors): void {
  const path = specPath.child('strategy', 'strategy');
  if (strategy.includes('/')) reject(errors, path, strategy, isQualifiedName(strategy));
  else allowOneOf(errors, path, strategy, strategies);
}

export const lease = defineKind<Lease>({
  resource: Lease,
  versions: [sameShape(v1beta1.Lease, Lease)],
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  generation: false,
  validate({ spec = {} }, errors) {
    const { leaseDurationSeconds, leaseTransitions, strategy, preferredHolder } = spec;
    if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0)
      errors.invalid(specPath.child('leaseDurationSeconds'), leaseDurationSeconds, 'must be greater than 0');
    if (leaseTransitions !== undefined && leaseTransitions < 0)
      errors.invalid(specPath.child('leaseTransitions'), leaseTransitions, 'must be greater than or equal to 0');
    if (strategy !== undefined) validateLeaseStrategy(strategy, errors);
    if (preferredHolder && !strategy) errors.forbidden(specPath.child('preferredHolder'), 'may only be specified if `strategy` is defined');
  },
  columns: [
    nameColumn,
    {
      name: 'Holder',
      description: fieldDoc('coordination.v1.LeaseSpec.holderIdentity'),
      value: ({ spec }) => spec?.holderIdentity ?? '',
    },
    ageColumn,
  ],
});
