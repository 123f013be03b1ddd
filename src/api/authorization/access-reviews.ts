/** The questions of authorization.k8s.io: created, answered and forgotten. The server fills in the status. */

import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  type FieldSelectorAttributes,
  type LabelSelectorAttributes,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  type SelfSubjectAccessReviewSpec,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  type SubjectAccessReviewSpec,
} from '../generated/authorization.v1.ts';
import * as v1beta1 from '../generated/authorization.v1beta1.ts';
import type { LabelSelectorRequirement, ObjectMeta } from '../generated/meta.v1.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { validateLabelSelectorRequirement } from '../object-meta.ts';
import type { KubeObject, Resource } from '../resource.ts';
import { convertedVersion, sameShape } from '../served-version.ts';

const specPath = new FieldPath('spec');
const attributesPath = specPath.child('resourceAttributes');
const virtual = { virtual: true, verbs: ['create'], validateName: () => [] } as const;

/** Clients ahead of the server may name operators that it does not know. */
const anyOperator = { allowUnknownOperators: true };

function validateFieldRequirement({ key, operator, values = [] }: LabelSelectorRequirement, path: FieldPath, errors: FieldErrors): void {
  if (!key) errors.required(path.child('key'), 'must be specified');
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0)
    errors.required(path.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0)
    errors.forbidden(path.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
}

function validateSelector(
  selector: FieldSelectorAttributes | LabelSelectorAttributes | undefined,
  path: FieldPath,
  validateRequirement: (requirement: LabelSelectorRequirement, path: FieldPath, errors: FieldErrors) => void,
  errors: FieldErrors,
): void {
  if (!selector) return;
  const { rawSelector, requirements = [] } = selector;
  if (rawSelector && requirements.length > 0)
    errors.invalid(path.child('rawSelector'), rawSelector, 'may not specified at the same time as requirements');
  if (!rawSelector && requirements.length === 0)
    errors.required(path.child('requirements'), `when ${path} is specified, requirements or rawSelector is required`);
  for (const [i, requirement] of requirements.entries()) validateRequirement(requirement, path.child('requirements').index(i), errors);
}

function validateAttributes(
  { resourceAttributes, nonResourceAttributes }: SelfSubjectAccessReviewSpec,
  errors: FieldErrors,
  subject?: SubjectAccessReviewSpec,
): void {
  if (resourceAttributes && nonResourceAttributes)
    errors.invalid(
      specPath.child('nonResourceAttributes'),
      internalForm('authorization.v1.NonResourceAttributes', nonResourceAttributes),
      'cannot be specified in combination with resourceAttributes',
    );
  if (!resourceAttributes && !nonResourceAttributes)
    errors.invalid(attributesPath, null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified');
  if (subject && !subject.user && !subject.groups?.length)
    errors.invalid(specPath.child('user'), subject.user ?? '', 'at least one of user or group must be specified');
  validateSelector(resourceAttributes?.fieldSelector, attributesPath.child('fieldSelector'), validateFieldRequirement, errors);
  validateSelector(
    resourceAttributes?.labelSelector,
    attributesPath.child('labelSelector'),
    (requirement, path) => validateLabelSelectorRequirement(requirement, path, errors, anyOperator),
    errors,
  );
}

function validateNoMetadata({ managedFields: _, ...rest }: ObjectMeta, errors: FieldErrors, but: { namespace?: boolean } = {}): void {
  const given = Object.entries(rest).filter(([field, value]) => value && !(but.namespace && field === 'namespace'));
  if (given.some(([, value]) => typeof value !== 'object' || Object.keys(value).length > 0))
    errors.invalid(new FieldPath('metadata'), rest, but.namespace ? 'must be empty except for namespace' : 'must be empty');
}

interface Asked extends KubeObject {
  spec: SubjectAccessReviewSpec;
}
interface AskedInV1beta1 extends KubeObject {
  spec: v1beta1.SubjectAccessReviewSpec;
}

/** v1beta1 called the groups `group`. */
function reviewV1beta1<T extends Asked>(served: Resource<AskedInV1beta1>, storage: Resource<T>) {
  return convertedVersion(served, storage, {
    // Only this field's name differs.
    toStorage({ spec: { group, ...spec }, ...review }) {
      return { ...review, spec: group ? { ...spec, groups: group } : spec } as unknown as T;
    },
    fromStorage({ spec: { groups, ...spec }, ...review }) {
      return { ...review, spec: groups ? { ...spec, group: groups } : spec };
    },
  });
}

export const subjectAccessReview = defineKind<SubjectAccessReview>({
  ...virtual,
  resource: SubjectAccessReview,
  versions: [reviewV1beta1(v1beta1.SubjectAccessReview, SubjectAccessReview)],
  validate({ spec = {}, metadata }, errors) {
    validateAttributes(spec, errors, spec);
    validateNoMetadata(metadata, errors);
  },
});

export const localSubjectAccessReview = defineKind<LocalSubjectAccessReview>({
  ...virtual,
  resource: LocalSubjectAccessReview,
  versions: [reviewV1beta1(v1beta1.LocalSubjectAccessReview, LocalSubjectAccessReview)],
  validate({ spec = {}, metadata }, errors) {
    validateAttributes(spec, errors, spec);
    validateNoMetadata(metadata, errors, { namespace: true });
    const namespace = spec.resourceAttributes?.namespace;
    if (spec.resourceAttributes && (namespace ?? '') !== (metadata.namespace ?? ''))
      errors.invalid(attributesPath.child('namespace'), namespace ?? '', 'must match metadata.namespace');
    if (spec.nonResourceAttributes)
      errors.invalid(
        specPath.child('nonResourceAttributes'),
        internalForm('authorization.v1.NonResourceAttributes', spec.nonResourceAttributes),
        'disallowed on this kind of request',
      );
  },
});

export const selfSubjectAccessReview = defineKind<SelfSubjectAccessReview>({
  ...virtual,
  resource: SelfSubjectAccessReview,
  versions: [sameShape(v1beta1.SelfSubjectAccessReview, SelfSubjectAccessReview)],
  validate({ spec = {}, metadata }, errors) {
    validateAttributes(spec, errors);
    validateNoMetadata(metadata, errors);
  },
});

export const selfSubjectRulesReview = defineKind<SelfSubjectRulesReview>({
  ...virtual,
  resource: SelfSubjectRulesReview,
  versions: [sameShape(v1beta1.SelfSubjectRulesReview, SelfSubjectRulesReview)],
});
