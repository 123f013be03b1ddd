/** What Workloads' templates and PodGroups have in common (KEP-4671). */
import { reject } from '../core/checks.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { PodGroupTemplate } from '../generated/scheduling.v1alpha2.ts';
import { isDns1123Label, isDns1123Subdomain, isQualifiedName } from '../names.ts';
import { highestUserDefinablePriority } from './priority-class.ts';

export const specPath = new FieldPath('spec');
const maxClaims = 4;
const maxTopology = 1;
const modes = ['Pod', 'PodGroup'];

export function requireName(name: string | undefined, check: (name: string) => string[], path: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(path);
  else reject(errors, path, name, check(name));
}

/** Fields that an update may not change, in the words of declarative validation. */
export function validateKept<T extends object>(next: T, prev: T, fields: readonly (keyof T & string)[], errors: FieldErrors): void {
  for (const field of fields)
    if (!semanticEqual(next[field], prev[field])) errors.invalid(specPath.child(field), null, 'field is immutable');
}

export function validatePodGroup(group: Omit<PodGroupTemplate, 'name'>, path: FieldPath, errors: FieldErrors): void {
  const { schedulingPolicy: policy, schedulingConstraints, resourceClaims = [], disruptionMode, priorityClassName, priority } = group;
  const policyPath = path.child('schedulingPolicy');
  const members = (['basic', 'gang'] as const).filter((member) => policy?.[member] !== undefined);
  if (members.length === 0) errors.invalid(policyPath, '', 'must specify one of: `basic`, `gang`');
  if (members.length > 1) errors.invalid(policyPath, `{${members.join(', ')}}`, 'must specify exactly one of: `basic`, `gang`');
  const countPath = policyPath.child('gang', 'minCount');
  if (policy?.gang && !policy.gang.minCount) errors.required(countPath);
  else if (policy?.gang && policy.gang.minCount < 1) errors.invalid(countPath, policy.gang.minCount, 'must be greater than or equal to 1');
  const topology = schedulingConstraints?.topology ?? [];
  const topologyPath = path.child('schedulingConstraints', 'topology');
  if (topology.length > maxTopology) errors.tooMany(topologyPath, topology.length, maxTopology);
  for (const [i, { key }] of topology.entries()) requireName(key, isQualifiedName, topologyPath.index(i).child('key'), errors);
  const claimsPath = path.child('resourceClaims');
  if (resourceClaims.length > maxClaims) errors.tooMany(claimsPath, resourceClaims.length, maxClaims);
  for (const [i, claim] of resourceClaims.entries()) {
    const at = claimsPath.index(i);
    requireName(claim.name, isDns1123Label, at.child('name'), errors);
    if (resourceClaims.findIndex((c) => c.name === claim.name) < i) errors.duplicate(at, { name: claim.name });
    const sources = (['resourceClaimName', 'resourceClaimTemplateName'] as const).filter((field) => claim[field] !== undefined);
    if (sources.length === 0) errors.invalid(at, '', 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    if (sources.length > 1)
      errors.invalid(at, `{${sources.join(', ')}}`, 'must specify exactly one of: `resourceClaimName`, `resourceClaimTemplateName`');
    for (const field of sources) reject(errors, at.child(field), claim[field], isDns1123Subdomain(claim[field] ?? ''));
  }
  if (disruptionMode !== undefined && !modes.includes(disruptionMode))
    errors.notSupported(path.child('disruptionMode'), disruptionMode, modes);
  if (priorityClassName) reject(errors, path.child('priorityClassName'), priorityClassName, isDns1123Subdomain(priorityClassName));
  if (priority !== undefined && priority > highestUserDefinablePriority)
    errors.invalid(path.child('priority'), priority, `must be less than or equal to ${highestUserDefinablePriority}`);
}
