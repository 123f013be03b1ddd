/** What may change in a pod after it was made (upstream: ValidatePodUpdate and its like). */

import { deepCopy, semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Container, ContainerStatus, EphemeralContainer, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../generated/core.v1.ts';
import { isIp, parseIp } from '../ip.ts';
import { isDns1123Subdomain, isInRange, isUserOrGroupId } from '../names.ts';
import { fieldImmutable } from '../object-meta.ts';
import { allowOneOf, reject, rejectNew, requireQualifiedName } from './checks.ts';
import { goDiff } from './go-diff.ts';
import { internalForm } from './internal-form.ts';
import { mirrorPodAnnotation, validatePodAnnotations, validatePodAnnotationsUpdate } from './pod-annotations.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
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
  if (!areKept) errors.forbidden(specPath.child('tolerations'), 'existing toleration can not be modified except its tolerationSeconds');
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
    if ((next.spec[field] ?? []).length === (prev.spec[field] ?? []).length) continue;
    errors.forbidden(specPath.child(field), 'pod updates may not add or remove containers');
    return;
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
  if (semanticEqual(next.spec, prev.spec)) return;
  if (gates.size > 0) validateGated(next.spec, prev.spec, errors);
  const rest = withoutAllowedChanges(next.spec, prev.spec);
  if (!semanticEqual(rest, prev.spec))
    errors.forbidden(specPath, `pod updates may not change fields other than ${updatable}\n${goDiff('core.v1.PodSpec', prev.spec, rest)}`);
}

function validateEnds(
  next: readonly ContainerStatus[],
  prev: readonly ContainerStatus[],
  mayRestart: (name: string, exitCode: number) => boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  for (const [i, old] of prev.entries()) {
    const { terminated } = old.state ?? {};
    if (!terminated || mayRestart(old.name, terminated.exitCode)) continue;
    if (next.some((status) => status.name === old.name && !status.state?.terminated))
      errors.forbidden(path.index(i).child('state'), 'may not be transitioned to non-terminated state');
  }
}

function validateIps(field: 'podIPs' | 'hostIPs', ips: readonly { ip: string }[], errors: FieldErrors): void {
  const path = statusPath.child(field);
  const families = new Set<number>();
  for (const [i, { ip }] of ips.entries()) {
    const parsed = parseIp(ip);
    rejectNew(errors, path.index(i), ip, isIp(ip));
    if (parsed) families.add(parsed.family);
    if (ips.slice(0, i).some((other) => other.ip === ip)) errors.duplicate(path.index(i), { IP: ip });
  }
  if (ips.length > 1 && families.size !== ips.length)
    errors.invalid(
      path,
      ips.map(({ ip }) => ({ IP: ip })),
      'may specify no more than one IP for each IP family',
    );
}

/** The claims that were made for the pod are those that its spec names. */
function validateClaimStatuses({ spec, status }: Pod, errors: FieldErrors): void {
  const known = new Set((spec.resourceClaims ?? []).map((claim) => claim.name));
  const seen = new Set<string>();
  for (const [i, { name, resourceClaimName }] of (status?.resourceClaimStatuses ?? []).entries()) {
    const path = statusPath.child('resourceClaimStatuses').index(i).child('name');
    if (!known.has(name)) errors.invalid(path, name, 'must match the name of an entry in `spec.resourceClaims`');
    if (seen.has(name)) errors.duplicate(path, name);
    seen.add(name);
    if (resourceClaimName !== undefined) reject(errors, path, resourceClaimName, isDns1123Subdomain(resourceClaimName));
  }
}

function validateUser({ user }: ContainerStatus, osName: string, path: FieldPath, errors: FieldErrors): void {
  if (!user?.linux) return;
  if (osName === 'windows') {
    errors.forbidden(path, 'cannot be set for a windows pod');
    return;
  }
  const { gid, supplementalGroups = [], uid } = user.linux;
  reject(errors, path.child('uid'), uid ?? 0, isUserOrGroupId(uid ?? 0));
  reject(errors, path.child('gid'), gid ?? 0, isUserOrGroupId(gid ?? 0));
  for (const [g, group] of supplementalGroups.entries())
    reject(errors, path.child('supplementalGroups').index(g), group, isUserOrGroupId(group));
}

/** The devices that a container got are of kinds that it asked for, each named once. */
function validateDevices(status: ContainerStatus, container: Container | undefined, path: FieldPath, errors: FieldErrors): void {
  const { claims = [], requests = {} } = container?.resources ?? {};
  const asked = new Set([...Object.keys(requests), ...claims.map(({ name, request }) => `claim:${name}${request ? `/${request}` : ''}`)]);
  for (const [i, { name, resources = [] }] of (status.allocatedResourcesStatus ?? []).entries()) {
    const at = path.index(i);
    if (container && !asked.has(name))
      errors.invalid(
        at.child('name'),
        name,
        name.startsWith('claim:')
          ? "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
          : "must match one of the container's resource requests",
      );
    const seen = new Set<string>();
    for (const [r, { health, resourceID }] of resources.entries()) {
      const resourcePath = at.child('resources').index(r);
      allowOneOf(errors, resourcePath.child('health'), health ?? '', ['Healthy', 'Unhealthy', 'Unknown']);
      if (seen.has(resourceID)) errors.duplicate(resourcePath.child('resourceID'), resourceID);
      seen.add(resourceID);
    }
  }
}

function validateContainerStatuses({ spec, status = {} }: Pod, errors: FieldErrors): void {
  const lists = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const;
  for (const list of lists)
    for (const [i, one] of (status[list] ?? []).entries())
      validateUser(one, spec.os?.name ?? 'linux', statusPath.child(list).index(i).child('linux'), errors);
  for (const list of lists) {
    const containers = list === 'initContainerStatuses' ? spec.initContainers : spec.containers;
    for (const [i, one] of (status[list] ?? []).entries()) {
      const path = statusPath.child(list).index(i).child('allocatedResourcesStatus');
      if (list !== 'ephemeralContainerStatuses') {
        const container = containers?.find(({ name }) => name === one.name);
        validateDevices(one, container, path, errors);
      } else if (one.allocatedResourcesStatus?.length) errors.forbidden(path, 'must not be specified in container status');
    }
  }
}

/** What a kubelet may say of a pod: conditions with proper names, containers that stay ended, QoS as it was. */
export function validatePodStatusUpdate(next: Pod, prev: Pod, errors: FieldErrors): void {
  validatePodAnnotationsUpdate(next.metadata.annotations, prev.metadata.annotations, annotationsPath, errors);
  validatePodAnnotations(next.metadata.annotations, next.spec, annotationsPath, errors);
  const { status = {} } = next;
  const { status: old = {} } = prev;
  const conditionsPath = new FieldPath('metadata').child('conditions');
  for (const [i, { type }] of (status.conditions ?? []).entries())
    requireQualifiedName(errors, conditionsPath.index(i).child('Type'), type);
  const { nominatedNodeName: nominated } = status;
  if (nominated && nominated !== old.nominatedNodeName)
    reject(errors, statusPath.child('nominatedNodeName'), nominated, isDns1123Subdomain(nominated));
  if (status.qosClass !== old.qosClass) errors.invalid(statusPath.child('qosClass'), status.qosClass, fieldImmutable);
  const { restartPolicy } = prev.spec;
  const ofPod = (exitCode: number) => restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && exitCode !== 0);
  const containers = new Map([...(prev.spec.containers ?? []), ...(prev.spec.initContainers ?? [])].map((c) => [c.name, c]));
  const mayRestart = (name: string, exitCode: number) => {
    const container = containers.get(name);
    if (container?.restartPolicyRules?.length) return true;
    const own = container?.restartPolicy;
    return own === undefined ? ofPod(exitCode) : own === 'Always' || (own === 'OnFailure' && exitCode !== 0);
  };
  for (const field of ['containerStatuses', 'initContainerStatuses'] as const)
    validateEnds(status[field] ?? [], old[field] ?? [], mayRestart, statusPath.child(field), errors);
  const ephemeral = 'ephemeralContainerStatuses';
  validateEnds(status[ephemeral] ?? [], old[ephemeral] ?? [], () => false, statusPath.child(ephemeral), errors);
  validateClaimStatuses(next, errors);
  validateIps('podIPs', status.podIPs ?? [], errors);
  const hostIp = status.hostIPs?.[0]?.ip;
  if (hostIp !== undefined && hostIp !== status.hostIP)
    errors.invalid(statusPath.child('hostIPs').index(0).child('ip'), hostIp, 'must be equal to `hostIP`');
  validateIps('hostIPs', status.hostIPs ?? [], errors);
  validateContainerStatuses(next, errors);
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
