/** What a kubelet may say of a pod (upstream: ValidatePodStatusUpdate). */
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { Container, ContainerRestartRule, ContainerStatus, Pod, PodSpec, PodStatus } from '../generated/core.v1.ts';
import { isIp, parseIp } from '../ip.ts';
import { isDns1123Subdomain, isUserOrGroupId } from '../names.ts';
import { fieldImmutable } from '../object-meta.ts';
import { allowOneOf, reject, rejectNew, requireDnsLabel, requireQualifiedName } from './checks.ts';
import { validatePodAnnotations, validatePodAnnotationsUpdate } from './pod-annotations.ts';

const statusPath = new FieldPath('status');
const annotationsPath = new FieldPath('metadata').child('annotations');

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

/** Whether a rule of the pod can have all of its containers start again: then any that has ended may. */
function mayRestartAll({ containers, initContainers = [] }: PodSpec): boolean {
  return [...initContainers, ...containers].some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  );
}

/** Whether a container that has ended so is started again: by its rules, its own policy, or its pod's. */
function isRestarted({ restartPolicy, restartPolicyRules = [] }: Container, pod: PodSpec, exitCode: number): boolean {
  const matches = ({ exitCodes }: ContainerRestartRule) =>
    exitCodes !== undefined && (exitCodes.values ?? []).includes(exitCode) === (exitCodes.operator === 'In');
  if (restartPolicy !== undefined && restartPolicyRules.some(matches)) return true;
  const policy = restartPolicy ?? pod.restartPolicy;
  return policy === 'OnFailure' ? exitCode !== 0 : policy !== 'Never';
}

type Addresses = readonly { ip: string }[];

function rejectRepeatedIps(path: FieldPath, ips: Addresses, errors: FieldErrors): void {
  for (const [i, { ip }] of ips.entries()) if (ips.findIndex((one) => one.ip === ip) < i) errors.duplicate(path.index(i), { IP: ip });
}

/** Several addresses are one of each family. */
function validateFamilies(path: FieldPath, ips: Addresses, errors: FieldErrors): void {
  if (ips.length < 2) return;
  const families = ips.map(({ ip }) => parseIp(ip)?.family);
  const unknown = families.indexOf(undefined);
  if (unknown >= 0) errors.internal(path, `failed to check for dual stack with error:invalid IP[${unknown}]: ${ips[unknown]?.ip}`);
  if (unknown >= 0 || new Set(families).size !== ips.length)
    errors.invalid(
      path,
      ips.map(({ ip }) => ({ IP: ip })),
      'may specify no more than one IP for each IP family',
    );
}

function validatePodIps(ips: Addresses, errors: FieldErrors): void {
  const path = statusPath.child('podIPs');
  for (const [i, { ip }] of ips.entries()) rejectNew(errors, path.index(i), ip, isIp(ip));
  validateFamilies(path, ips, errors);
  rejectRepeatedIps(path, ips, errors);
}

function validateHostIps({ hostIP, hostIPs = [] }: PodStatus, errors: FieldErrors): void {
  const path = statusPath.child('hostIPs');
  const [first] = hostIPs;
  if (first && first.ip !== hostIP) errors.invalid(path.index(0).child('ip'), first.ip, 'must be equal to `hostIP`');
  for (const [i, { ip }] of hostIPs.entries()) rejectNew(errors, path.index(i), ip, isIp(ip));
  rejectRepeatedIps(path, hostIPs, errors);
  validateFamilies(path, hostIPs, errors);
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

/** The claim that was made for extended resources says which container asked for what. */
function validateExtendedClaim({ spec, status }: Pod, errors: FieldErrors): void {
  const claim = status?.extendedResourceClaimStatus;
  if (!claim) return;
  const path = statusPath.child('extendedResourceClaimStatus');
  const { requestMappings = [], resourceClaimName } = claim;
  if (requestMappings.length === 0) errors.required(path.child('requestMappings'), 'at least one request mapping is required');
  const containers = new Map([...(spec.initContainers ?? []), ...(spec.containers ?? [])].map((one) => [one.name, one]));
  for (const [i, { containerName, requestName, resourceName }] of requestMappings.entries()) {
    const at = path.child('requestMappings').index(i);
    const container = containers.get(containerName);
    if (!container)
      errors.invalid(
        at.child('containerName'),
        containerName,
        'must match the name of an entry in spec.initContainers.name or spec.containers.name',
      );
    else if (container.resources?.requests?.[resourceName] === undefined)
      errors.invalid(
        at.child('resourceName'),
        resourceName,
        'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests',
      );
    requireDnsLabel(errors, path.child('requestName'), requestName);
    const isAgain = requestMappings
      .slice(0, i)
      .some((one) => one.containerName === containerName && one.resourceName === resourceName && one.requestName === requestName);
    if (!isAgain) continue;
    errors.duplicate(at.child('containerName'), containerName);
    errors.duplicate(at.child('resourceName'), resourceName);
    errors.duplicate(at.child('requestName'), requestName);
  }
  if (!resourceClaimName) errors.required(path.child('resourceClaimName'));
  else reject(errors, path.child('resourceClaimName'), resourceClaimName, isDns1123Subdomain(resourceClaimName));
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
      validateUser(one, spec.os?.name ?? 'linux', statusPath.child(list).index(i).child('user', 'linux'), errors);
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
  const notNegative = 'must be a non-negative integer';
  for (const [i, { observedGeneration = 0, type }] of (status.conditions ?? []).entries()) {
    const at = statusPath.child('conditions').index(i);
    if (observedGeneration < 0) errors.invalid(at.child('observedGeneration'), observedGeneration, notNegative);
    requireQualifiedName(errors, at.child('Type'), type);
  }
  const { nominatedNodeName: nominated } = status;
  if (nominated && nominated !== old.nominatedNodeName)
    reject(errors, statusPath.child('nominatedNodeName'), nominated, isDns1123Subdomain(nominated));
  if (nominated && nominated !== old.nominatedNodeName && prev.spec.nodeName)
    errors.forbidden(statusPath.child('nominatedNodeName'), 'may not be set on pods that are already bound to a node');
  const { observedGeneration = 0 } = status;
  if (observedGeneration < 0) errors.invalid(statusPath.child('observedGeneration'), observedGeneration, notNegative);
  if (status.qosClass !== old.qosClass) errors.invalid(statusPath.child('qosClass'), status.qosClass, fieldImmutable);
  const anyMayRestart = mayRestartAll(prev.spec);
  for (const [field, list] of [
    ['containerStatuses', 'containers'],
    ['initContainerStatuses', 'initContainers'],
  ] as const) {
    const mayRestart = (name: string, exitCode: number) => {
      const container = prev.spec[list]?.find((one) => one.name === name);
      return container !== undefined && (anyMayRestart || isRestarted(container, prev.spec, exitCode));
    };
    validateEnds(status[field] ?? [], old[field] ?? [], mayRestart, statusPath.child(field), errors);
  }
  const ephemeral = 'ephemeralContainerStatuses';
  validateEnds(status[ephemeral] ?? [], old[ephemeral] ?? [], () => false, statusPath.child(ephemeral), errors);
  validateClaimStatuses(next, errors);
  validateExtendedClaim(next, errors);
  validatePodIps(status.podIPs ?? [], errors);
  validateHostIps(status, errors);
  validateContainerStatuses(next, errors);
}
