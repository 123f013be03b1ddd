import { Role } from '../generated/rbac.v1.ts';
import * as v1alpha1 from '../generated/rbac.v1alpha1.ts';
import * as v1beta1 from '../generated/rbac.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { sameShape } from '../served-version.ts';
import { validateRules } from './policy-rules.ts';

export const role = defineKind<Role>({
  resource: Role,
  versions: [sameShape(v1beta1.Role, Role), sameShape(v1alpha1.Role, Role)],
  validateName: nameIsPathSegment,
  allowCreateOnUpdate: true,
  validate: ({ rules }, errors) => validateRules(rules, true, errors),
});
