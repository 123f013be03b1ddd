import { FieldPath } from '../fields.ts';
import { PodGroup } from '../generated/scheduling.v1alpha2.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label, isDns1123Subdomain } from '../names.ts';
import { validateConditions } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
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

/** What was last said of its pods; that they are being disrupted goes before where they are. */
function statusCell({ status }: PodGroup): string {
  const last = (type: string) => status?.conditions?.findLast((condition) => condition.type === type);
  const disrupted = last('DisruptionTarget');
  if (disrupted) return disrupted.reason;
  const scheduled = last('PodGroupScheduled');
  if (!scheduled) return 'Pending';
  return scheduled.status === 'True' ? 'Scheduled' : 'Unschedulable';
}

/** Pods that are scheduled together, made from a Workload's template. */
export const podGroup = defineKind<PodGroup>({
  resource: PodGroup,
  // Whoever reads it has it so, whether or not it may be chosen.
  create({ spec }) {
    spec.disruptionMode ??= 'Pod';
  },
  update({ spec }) {
    spec.disruptionMode ??= 'Pod';
  },
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
  columns: [
    nameColumn,
    {
      name: 'Policy',
      description: 'schedulingPolicy defines the scheduling policy for this instance of the PodGroup.',
      value: ({ spec }) => (spec.schedulingPolicy?.gang ? 'Gang' : 'Basic'),
    },
    {
      name: 'Workload',
      description: 'Name of the referenced Workload object',
      value: ({ spec }) => (spec.podGroupTemplateRef ? (spec.podGroupTemplateRef.workload?.workloadName ?? '') : '<none>'),
    },
    { name: 'Status', description: 'Status of the PodGroup', value: statusCell },
    ageColumn,
  ],
});
