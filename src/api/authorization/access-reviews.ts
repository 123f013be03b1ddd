/** The questions of authorization.k8s.io: created, answered and forgotten. The server fills in the status. */
import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  type SelfSubjectAccessReviewSpec,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  type SubjectAccessReviewSpec,
} from '../generated/authorization.v1.ts';
import * as v1beta1 from '../generated/authorization.v1beta1.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject, Resource } from '../resource.ts';
import { convertedVersion, sameShape } from '../served-version.ts';

const specPath = new FieldPath('spec');
const virtual = { virtual: true, verbs: ['create'], validateName: () => [] } as const;

function validateAttributes(spec: SelfSubjectAccessReviewSpec, errors: FieldErrors): void {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes && nonResourceAttributes)
    errors.invalid(
      specPath.child('nonResourceAttributes'),
      nonResourceAttributes,
      'cannot be specified in combination with resourceAttributes',
    );
  if (!resourceAttributes && !nonResourceAttributes)
    errors.invalid(
      specPath.child('resourceAttributes'),
      null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
}

function validateSubject({ user, groups = [] }: SubjectAccessReviewSpec, errors: FieldErrors): void {
  if (!user && groups.length === 0) errors.invalid(specPath.child('user'), user ?? '', 'at least one of user or group must be specified');
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
  validate({ spec = {} }, errors) {
    validateAttributes(spec, errors);
    validateSubject(spec, errors);
  },
});

export const localSubjectAccessReview = defineKind<LocalSubjectAccessReview>({
  ...virtual,
  resource: LocalSubjectAccessReview,
  versions: [reviewV1beta1(v1beta1.LocalSubjectAccessReview, LocalSubjectAccessReview)],
  validate({ spec = {}, metadata }, errors) {
    validateAttributes(spec, errors);
    validateSubject(spec, errors);
    const namespace = spec.resourceAttributes?.namespace;
    if (spec.resourceAttributes && (namespace ?? '') !== (metadata.namespace ?? ''))
      errors.invalid(specPath.child('resourceAttributes', 'namespace'), namespace ?? '', 'must match metadata.namespace');
    if (spec.nonResourceAttributes)
      errors.invalid(specPath.child('nonResourceAttributes'), spec.nonResourceAttributes, 'disallowed on this kind of request');
  },
});

export const selfSubjectAccessReview = defineKind<SelfSubjectAccessReview>({
  ...virtual,
  resource: SelfSubjectAccessReview,
  versions: [sameShape(v1beta1.SelfSubjectAccessReview, SelfSubjectAccessReview)],
  validate: ({ spec = {} }, errors) => validateAttributes(spec, errors),
});

export const selfSubjectRulesReview = defineKind<SelfSubjectRulesReview>({
  ...virtual,
  resource: SelfSubjectRulesReview,
  versions: [sameShape(v1beta1.SelfSubjectRulesReview, SelfSubjectRulesReview)],
});
