import { FieldPath } from '../fields.ts';
import * as v1alpha2 from '../generated/coordination.v1alpha2.ts';
import { LeaseCandidate } from '../generated/coordination.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isConfigMapKey } from '../names.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { compareSemver, parseSemver, type Semver } from '../semver.ts';
import { sameShape } from '../served-version.ts';
import { validateLeaseStrategy } from './lease.ts';

const specPath = new FieldPath('spec');
/** As what can't be read is. */
const isZero = ({ numbers, prerelease }: Semver) => prerelease.length === 0 && numbers.every((number) => number === 0n);
const badVersion = 'must be a valid semantic version';

/** Who would lead, and in which version: what coordinated leader election chooses from (KEP-4355). */
export const leaseCandidate = defineKind<LeaseCandidate>({
  resource: LeaseCandidate,
  versions: [sameShape(v1alpha2.LeaseCandidate, LeaseCandidate)],
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  generation: false,
  validateName: isConfigMapKey,
  validate({ spec: { leaseName, emulationVersion, binaryVersion, strategy } }, errors) {
    if (!leaseName) errors.required(specPath.child('leaseName'));
    const emulated = emulationVersion ? parseSemver(emulationVersion) : undefined;
    if (emulationVersion && !emulated) errors.invalid(specPath.child('emulationVersion'), emulationVersion, badVersion);
    const binary = binaryVersion ? parseSemver(binaryVersion) : undefined;
    if (!binaryVersion) errors.required(specPath.child('binaryVersion'));
    else if (!binary) errors.invalid(specPath.child('binaryVersion'), binaryVersion, badVersion);
    // Of versions that can't be read the numbers count as zero.
    if (binaryVersion && emulated && (binary ? compareSemver(binary, emulated) < 0 : !isZero(emulated)))
      errors.invalid(specPath.child('binaryVersion'), binaryVersion, 'must be greater than or equal to `emulationVersion`');
    if (!strategy) {
      errors.required(specPath.child('strategy'));
      return;
    }
    if (strategy === 'OldestEmulationVersion' && (!emulated || isZero(emulated)))
      errors.required(specPath.child('emulationVersion'), "must be specified when `strategy` is 'OldestEmulationVersion'");
    validateLeaseStrategy(strategy, errors);
  },
  validateUpdate(next, prev, errors) {
    validateImmutable(next.spec.leaseName, prev.spec.leaseName, specPath.child('leaseName'), errors);
  },
  fieldSelectors: { 'spec.leaseName': ({ spec }) => spec.leaseName },
  columns: [
    nameColumn,
    {
      name: 'LeaseName',
      description: fieldDoc('coordination.v1alpha2.LeaseCandidateSpec.leaseName'),
      value: ({ spec }) => spec.leaseName,
    },
    {
      name: 'BinaryVersion',

      value: ({ spec }) => spec.binaryVersion,
    },
    {
      name: 'EmulationVersion',

      value: ({ spec }) => spec.emulationVersion ?? '',
    },
    ageColumn,
  ],
});
