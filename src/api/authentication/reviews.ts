/** The questions of authentication.k8s.io: who does a token belong to, and who am I. The server fills in the status. */
import { SelfSubjectReview, TokenReview } from '../generated/authentication.v1.ts';
import * as v1alpha1 from '../generated/authentication.v1alpha1.ts';
import * as v1beta1 from '../generated/authentication.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { sameShape } from '../served-version.ts';

const virtual = { virtual: true, verbs: ['create'], validateName: () => [] } as const;

export const tokenReview = defineKind<TokenReview>({
  ...virtual,
  resource: TokenReview,
  versions: [sameShape(v1beta1.TokenReview, TokenReview)],
});

export const selfSubjectReview = defineKind<SelfSubjectReview>({
  ...virtual,
  resource: SelfSubjectReview,
  versions: [sameShape(v1beta1.SelfSubjectReview, SelfSubjectReview), sameShape(v1alpha1.SelfSubjectReview, SelfSubjectReview)],
});
