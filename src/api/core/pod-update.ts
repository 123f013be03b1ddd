/** What may change in a pod after it was made (upstream: ValidatePodUpdate and its like). */

import { deepCopy, semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { EphemeralContainer, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../generated/core.v1.ts';
import { internalForm } from '../internal-form.ts';
import { isInRange } from '../names.ts';
import { isSameStruct } from '../schema/optional-structs.ts';
import { reject } from './checks.ts';
import { rejectPadded } from './containers.ts';
import { goDiff } from './go-diff.ts';
import { mirrorPodAnnotation, validatePodAnnotationsUpdate } from './pod-annotations.ts';
import { validateTolerations } from './scheduling-rules.ts';

const specPath = new FieldPath('spec');
// How upstream prints the path of the object itself.
const wholePath = new FieldPath('[]');
const annotationsPath = new FieldPath('metadata').child('annotations');

const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** Answers whether the other rules count, which upstream leaves out after a deadline that is out of range or later than before. */
function validateDeadline(next: PodSpec, prev: PodSpec, errors: FieldErrors): boolean {
  const path = specPath.child('activeDeadlineSeconds');
  const { activeDeadlineSeconds: now } = next;
  const { activeDeadlineSeconds: before } = prev;
  if (now === undefined) {
    if (before !== undefined) errors.invalid(path, null, 'must not update from a positive integer to nil value');
    return true;
  }
  const wrong = isInRange(now, 0, 2 ** 31 - 1);
  reject(errors, path, now, wrong);
  if (wrong.length > 0) return false;
  if (before === undefined || before >= now) return true;
  errors.invalid(path, now, 'must be less than or equal to previous value');
  return false;
}

function validateTolerationsKept(next: readonly Toleration[], prev: readonly Toleration[], errors: FieldErrors): void {
  const areKept = prev.every((old) =>
    next.some((toleration) => semanticEqual({ ...old, tolerationSeconds: toleration.tolerationSeconds }, toleration)),
  );
  const path = specPath.child('tolerations');
  if (!areKept) errors.forbidden(path, 'existing toleration can not be modified except its tolerationSeconds');
  // Upstream tells of what is wrong with them twice: here, and where it looks at the spec.
  else validateTolerations(next, path, errors);
}

const keepsPrefix = <T>(next: readonly T[], prev: readonly T[]) =>
  next.length >= prev.length && semanticEqual(next.slice(0, prev.length), prev);

function hasOnlyAdditions(next: NodeSelectorTerm, prev: NodeSelectorTerm): boolean {
  const before = [prev.matchExpressions ?? [], prev.matchFields ?? []] as const;
  const now = [next.matchExpressions ?? [], next.matchFields ?? []] as const;
  // An empty term matches nothing; to fill it would be to widen it.
  if (before[0].length + before[1].length === 0) return now[0].length + now[1].length === 0;
  return keepsPrefix(now[0], before[0]) && keepsPrefix(now[1], before[1]);
}

/** Behind its gates a pod's choice of nodes may still be narrowed. */
function validateGated(next: PodSpec, prev: PodSpec, errors: FieldErrors): void {
  const selector = next.nodeSelector ?? {};
  if (Object.entries(prev.nodeSelector ?? {}).some(([key, value]) => selector[key] !== value))
    errors.invalid(
      specPath.child('nodeSelector'),
      next.nodeSelector,
      'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
    );
  const required = 'requiredDuringSchedulingIgnoredDuringExecution';
  const before = prev.affinity?.nodeAffinity?.[required]?.nodeSelectorTerms ?? [];
  const now = next.affinity?.nodeAffinity?.[required]?.nodeSelectorTerms ?? [];
  const show = (term: NodeSelectorTerm) => internalForm('core.v1.NodeSelectorTerm', term);
  if (before.length === 0) return;
  const path = specPath.child('affinity', 'nodeAffinity', required, 'nodeSelectorTerms');
  if (before.length !== now.length) {
    errors.invalid(path, now.length === 0 ? null : now.map(show), 'no additions/deletions to non-empty NodeSelectorTerms list are allowed');
    return;
  }
  for (const [i, term] of before.entries()) {
    const changed = now[i] ?? {};
    if (!hasOnlyAdditions(changed, term))
      errors.invalid(path.index(i), show(changed), 'only additions are allowed (no mutations or deletions)');
  }
}

/** The new spec with everything that may change put back. */
function withoutAllowedChanges(next: PodSpec, prev: PodSpec): PodSpec {
  const spec = deepCopy(next);
  for (const field of ['containers', 'initContainers'] as const)
    for (const [i, container] of (spec[field] ?? []).entries()) container.image = prev[field]?.[i]?.image;
  spec.activeDeadlineSeconds = prev.activeDeadlineSeconds;
  spec.schedulingGates = prev.schedulingGates;
  spec.tolerations = prev.tolerations;
  if ((prev.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1)
    spec.terminationGracePeriodSeconds = prev.terminationGracePeriodSeconds;
  if (prev.schedulingGates?.length) {
    spec.nodeSelector = prev.nodeSelector;
    const affinity = { ...spec.affinity, nodeAffinity: prev.affinity?.nodeAffinity };
    spec.affinity = Object.values(affinity).some((part) => part !== undefined) ? affinity : prev.affinity;
  }
  return spec;
}

/** What a plain update may change. */
export function validatePodUpdate(next: Pod, prev: Pod, errors: FieldErrors): void {
  validatePodAnnotationsUpdate(next.metadata.annotations, prev.metadata.annotations, annotationsPath, errors);
  for (const field of ['containers', 'initContainers'] as const) {
    const containers = next.spec[field] ?? [];
    const path = specPath.child(field);
    if (containers.length !== (prev.spec[field] ?? []).length) {
      errors.forbidden(path, 'pod updates may not add or remove containers');
      return;
    }
    // Of these, too, it tells twice.
    for (const [i, { image = '' }] of containers.entries()) {
      if (!image) errors.required(path.index(i).child('image'));
      rejectPadded(image, path.index(i).child('image'), errors);
    }
  }
  if (!validateDeadline(next.spec, prev.spec, errors)) return;
  validateTolerationsKept(next.spec.tolerations ?? [], prev.spec.tolerations ?? [], errors);
  const gates = new Set((prev.spec.schedulingGates ?? []).map((gate) => gate.name));
  for (const [i, { name }] of (next.spec.schedulingGates ?? []).entries())
    if (!gates.has(name))
      errors.forbidden(
        specPath.child('schedulingGates').index(i).child('name'),
        `only deletion is allowed, but found new scheduling gate '${name}'`,
      );
  if (isSameStruct('core.v1.PodSpec', next.spec, prev.spec)) return;
  if (gates.size > 0) validateGated(next.spec, prev.spec, errors);
  const rest = withoutAllowedChanges(next.spec, prev.spec);
  if (!isSameStruct('core.v1.PodSpec', rest, prev.spec))
    errors.forbidden(specPath, `pod updates may not change fields other than ${updatable}\n${goDiff('core.v1.PodSpec', prev.spec, rest)}`);
}

/** Ephemeral containers come and stay as they are. */
export function validateEphemeralContainersUpdate(next: Pod, prev: Pod, errors: FieldErrors): void {
  if (prev.metadata.annotations?.[mirrorPodAnnotation] !== undefined) {
    errors.forbidden(wholePath, 'static pods do not support ephemeral containers');
    return;
  }
  const path = specPath.child('ephemeralContainers');
  const containers = new Map(
    (next.spec.ephemeralContainers ?? []).map((container): [string, EphemeralContainer] => [container.name, container]),
  );
  for (const old of prev.spec.ephemeralContainers ?? []) {
    const name = JSON.stringify(old.name);
    const now = containers.get(old.name);
    if (!now) errors.forbidden(path, `existing ephemeral containers ${name} may not be removed\n`);
    else if (!semanticEqual(old, now))
      errors.forbidden(path, `existing ephemeral containers ${name} may not be changed\n${goDiff('core.v1.EphemeralContainer', old, now)}`);
  }
}
