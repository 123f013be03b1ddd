import { FieldPath } from '../fields.ts';
import { PodGroup } from '../generated/scheduling.v1alpha2.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label, isDns1123Subdomain } from '../names.ts';
import { validateConditions } from '../object-meta.ts';
import { requireName, specPath, validateKept, validatePodGroup } from './pod-group-checks.ts';

const statusPath = new FieldPath('status');

const fixed = [
  'podGroupTemplateRef',
  'schedulingPolicy',
  'schedulingConstraints',
  'resourceClaims',
  'disruptionMode',
  'priorityClassName',
  'priority',
] as const;

/** Pods that are scheduled together, made from a Workload's template. */
export const podGroup = defineKind<PodGroup>({
  resource: PodGroup,
  validate({ spec }, errors) {
    const template = spec.podGroupTemplateRef?.workload;
    const at = specPath.child('podGroupTemplateRef', 'workload');
    if (template) {
      requireName(template.workloadName, isDns1123Subdomain, at.child('workloadName'), errors);
      requireName(template.podGroupTemplateName, isDns1123Label, at.child('podGroupTemplateName'), errors);
    } else if (spec.podGroupTemplateRef) errors.invalid(specPath.child('podGroupTemplateRef'), '', 'must specify one of: `workload`');
    validatePodGroup(spec, specPath, errors);
  },
  validateUpdate: (next, prev, errors) => validateKept(next.spec, prev.spec, fixed, errors),
  subresources: {
    status: {
      keepsMetadata: true,
      validate({ status }, _prev, errors) {
        validateConditions(status?.conditions, statusPath.child('conditions'), errors);
        for (const [i, claim] of (status?.resourceClaimStatuses ?? []).entries())
          requireName(claim.name, isDns1123Label, statusPath.child('resourceClaimStatuses').index(i).child('name'), errors);
      },
    },
  },
});
