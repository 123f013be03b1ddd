import { semanticEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import { ClusterRoleBinding } from '../generated/rbac.v1.ts';
import * as v1alpha1 from '../generated/rbac.v1alpha1.ts';
import * as v1beta1 from '../generated/rbac.v1beta1.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { fieldDoc } from '../printing.ts';
import { sameShape } from '../served-version.ts';
import { bindingV1alpha1 } from './binding-v1alpha1.ts';
import { bindingColumns, defaultSubject, rbacGroup, validateRoleRef, validateSubjects } from './policy-rules.ts';

export const clusterRoleBinding = defineKind<ClusterRoleBinding>({
  resource: ClusterRoleBinding,
  versions: [sameShape(v1beta1.ClusterRoleBinding, ClusterRoleBinding), bindingV1alpha1(v1alpha1.ClusterRoleBinding, ClusterRoleBinding)],
  validateName: nameIsPathSegment,
  allowCreateOnUpdate: true,
  defaults(binding) {
    if (binding.roleRef) binding.roleRef.apiGroup ||= rbacGroup;
    for (const subject of binding.subjects ?? []) defaultSubject(subject);
  },
  validate({ roleRef, subjects }, errors) {
    validateRoleRef(roleRef, ['ClusterRole'], errors);
    validateSubjects(subjects, false, errors);
  },
  // Who may bind a role was checked when the binding was made; another role is another binding.
  validateUpdate(next, prev, errors) {
    if (!semanticEqual(next.roleRef, prev.roleRef))
      errors.invalid(new FieldPath('roleRef'), internalForm('rbac.v1.RoleRef', next.roleRef), 'cannot change roleRef');
  },
  columns: bindingColumns('clusterRoleBinding', fieldDoc('rbac.v1beta1.ClusterRoleBinding.roleRef')),
});
