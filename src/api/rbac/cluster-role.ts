import { readSelector } from '../apps/template-rules.ts';
import { FieldPath } from '../fields.ts';
import { ClusterRole } from '../generated/rbac.v1.ts';
import * as v1alpha1 from '../generated/rbac.v1alpha1.ts';
import * as v1beta1 from '../generated/rbac.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { nameIsPathSegment } from '../names.ts';
import { validateLabelSelector } from '../object-meta.ts';
import { sameShape } from '../served-version.ts';
import { validateRules } from './policy-rules.ts';

const aggregationPath = new FieldPath('aggregationRule');

export const clusterRole = defineKind<ClusterRole>({
  resource: ClusterRole,
  versions: [sameShape(v1beta1.ClusterRole, ClusterRole), sameShape(v1alpha1.ClusterRole, ClusterRole)],
  validateName: nameIsPathSegment,
  allowCreateOnUpdate: true,
  validate({ rules, aggregationRule }, errors) {
    validateRules(rules, false, errors);
    if (!aggregationRule) return;
    const path = aggregationPath.child('clusterRoleSelectors');
    const selectors = aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0) errors.required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
    for (const [i, selector] of selectors.entries()) {
      validateLabelSelector(selector, path.index(i), errors);
      // Of one that can't be read upstream shows what it has read.
      if (!readSelector(selector)) errors.invalid(path.index(i), null, 'invalid label selector.');
    }
  },
});
