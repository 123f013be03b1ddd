/** The rules of pod specs and pod templates: defaults and validation, for pods and for everything that makes pods. */
import { type FieldErrors, FieldPath } from '../fields.ts';
import type { PodDNSConfig, PodResourceClaim, PodSpec, PodTemplateSpec } from '../generated/core.v1.ts';
import { isIp } from '../ip.ts';
import { isDns1123Subdomain, isDns1123SubdomainWithUnderscore, isInRange } from '../names.ts';
import { validateAnnotations, validateLabels } from '../object-meta.ts';
import { reject, rejectNew, requireDnsLabel, requireOneOf, requireQualifiedName } from './checks.ts';
import { rejectPadded, validateContainers } from './containers.ts';
import { validatePodAnnotations, validateProfileAnnotationsMatch } from './pod-annotations.ts';
import { eachContainer, validateHostProcess, validatePodOs } from './pod-os.ts';
import { validateContainerResources, validatePodLevelResources } from './resource-requirements.ts';
import { validateAffinity, validateSchedulingGates, validateTolerations, validateTopologySpread } from './scheduling-rules.ts';
import { validatePodSecurityContext } from './security-context.ts';
import { validateVolumes } from './volumes.ts';

export { defaultPodSpec, defaultPodTemplate } from './pod-defaults.ts';

export interface PodSpecRules {
  /** The spec is a pod's own, not a template's. */
  isPod?: boolean;
  /** The pod's name, where it is known. */
  podName?: string | undefined;
  /** The pod is the mirror of one that a kubelet runs from a file. */
  isMirror?: boolean;
}

function validateResourceClaims(claims: readonly PodResourceClaim[], isMirror: boolean, path: FieldPath, errors: FieldErrors): Set<string> {
  if (isMirror) {
    // Upstream's path is that of no field.
    for (const _ of claims) errors.forbidden(new FieldPath('[]'), 'static pods do not support resource claims');
    return new Set(claims.map(({ name }) => name));
  }
  const names = new Set<string>();
  for (const [i, claim] of claims.entries()) {
    const at = path.index(i);
    if (!claim.name) errors.required(at.child('name'));
    else if (names.has(claim.name)) errors.duplicate(at.child('name'), claim.name);
    else requireDnsLabel(errors, at.child('name'), claim.name);
    if (claim.name) names.add(claim.name);
    const { name = '', resourceClaimName, resourceClaimTemplateName } = claim;
    const shown = {
      Name: name,
      ResourceClaimName: resourceClaimName ?? null,
      ResourceClaimTemplateName: resourceClaimTemplateName ?? null,
    };
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined)
      errors.invalid(at, shown, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified');
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined)
      errors.invalid(at, shown, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    for (const field of ['resourceClaimName', 'resourceClaimTemplateName'] as const) {
      const name = claim[field];
      if (name !== undefined) reject(errors, at.child(field), name, isDns1123Subdomain(name));
    }
  }
  return names;
}

/** On the node's network a container's port is the node's port. */
function validateHostNetwork(spec: PodSpec, isPod: boolean, path: FieldPath, errors: FieldErrors): void {
  if (!spec.hostNetwork) return;
  for (const [c, container] of (spec.containers ?? []).entries()) {
    for (const [p, { containerPort, hostPort = 0 }] of (container.ports ?? []).entries()) {
      // In a template an absent one is filled in when the pod is made.
      if ((isPod || hostPort !== 0) && hostPort !== containerPort)
        errors.invalid(
          path.child('containers').index(c).child('ports').index(p).child('hostPort'),
          hostPort,
          'must match `containerPort` when `hostNetwork` is true',
        );
    }
  }
}

// What libc's resolver takes.
const maxNameservers = 3;
const maxSearches = 32;
const maxSearchCharacters = 2048;

function validateDnsConfig(config: PodDNSConfig | undefined, policy: string | undefined, path: FieldPath, errors: FieldErrors): void {
  if (policy === 'None' && !config) {
    errors.required(path, 'must provide `dnsConfig` when `dnsPolicy` is None');
    return;
  }
  const { nameservers = [], options = [], searches = [] } = config ?? {};
  if (policy === 'None' && nameservers.length === 0) {
    errors.required(path.child('nameservers'), 'must provide at least one DNS nameserver when `dnsPolicy` is None');
    return;
  }
  if (nameservers.length > maxNameservers)
    errors.invalid(path.child('nameservers'), nameservers, `must not have more than ${maxNameservers} nameservers`);
  for (const [i, server] of nameservers.entries()) rejectNew(errors, path.child('nameservers').index(i), server, isIp(server));
  if (searches.length > maxSearches)
    errors.invalid(path.child('searches'), searches, `must not have more than ${maxSearches} search paths`);
  if (searches.join(' ').length > maxSearchCharacters)
    errors.invalid(
      path.child('searches'),
      searches,
      `must not have more than ${maxSearchCharacters} characters (including spaces) in the search list`,
    );
  for (const [i, search] of searches.entries()) {
    const name = search.replace(/\.$/, '');
    if (search !== '.') reject(errors, path.child('searches').index(i), name, isDns1123SubdomainWithUnderscore(name));
  }
  for (const [i, option] of options.entries()) if (!option.name) errors.required(path.child('options').index(i), 'must not be empty');
}

/** A user namespace of the pod's own does not go with the node's other namespaces. */
function validateHostUsers(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  if (spec.hostUsers !== false) return;
  const detail = 'when `hostUsers` is false';
  if (spec.hostNetwork && !errors.isEnabled('UserNamespacesHostNetworkSupport', false))
    errors.ratcheting(() => errors.forbidden(path.child('hostNetwork'), detail));
  if (spec.hostPID) errors.forbidden(path.child('HostPID'), detail);
  if (spec.hostIPC) errors.forbidden(path.child('HostIPC'), detail);
  // Block devices can't be given to the pod's users; pods that have them from before may stay as they are.
  for (const [container, at] of eachContainer(spec, path))
    if (container.volumeDevices?.length) errors.ratcheting(() => errors.forbidden(at.child('volumeDevices'), detail));
}

function validateHostAliases(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  for (const [i, { hostnames = [], ip }] of (spec.hostAliases ?? []).entries()) {
    const at = path.index(i);
    rejectNew(errors, at.child('ip'), ip, isIp(ip));
    for (const [j, name] of hostnames.entries()) reject(errors, at.child('hostnames').index(j), name, isDns1123Subdomain(name));
  }
}

function validateHostnameOverride(spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  const { hostnameOverride } = spec;
  if (hostnameOverride === undefined) return;
  if (spec.setHostnameAsFQDN) errors.forbidden(at, 'may not be specified when setHostnameAsFQDN is true');
  if (spec.hostNetwork) errors.forbidden(at, 'may not be specified when hostNetwork is true');
  if (hostnameOverride.length > 64) errors.tooLong(at, 64);
  reject(errors, at, hostnameOverride, isDns1123Subdomain(hostnameOverride));
}

function validateNamesOfOthers(
  spec: PodSpec,
  fields: readonly ('serviceAccountName' | 'nodeName' | 'priorityClassName' | 'runtimeClassName')[],
  path: FieldPath,
  errors: FieldErrors,
): void {
  for (const field of fields) {
    const name = spec[field];
    // A runtime class that is there has a name; the others may be empty.
    if (name || (name === '' && field === 'runtimeClassName')) reject(errors, path.child(field), name, isDns1123Subdomain(name));
  }
}

/** Files with variables are written by one container for another, in a volume of the pod's own (KEP-3721). */
function validateEnvFileVolumes(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  for (const [container, at] of eachContainer(spec, path))
    for (const [i, { valueFrom }] of (container.env ?? []).entries()) {
      if (!valueFrom?.fileKeyRef) continue;
      const { volumeName } = valueFrom.fileKeyRef;
      const namePath = at.child('env').index(i).child('valueFrom', 'fileKeyRef', 'volumeName');
      const volume = spec.volumes?.find(({ name }) => name === volumeName);
      if (!volume) errors.notFound(namePath, volumeName ?? '');
      else if (!volume.emptyDir) errors.invalid(namePath, volumeName, 'referenced volume must be of type emptyDir');
    }
}

/** Validates a pod spec at `path`, after defaulting. */
export function validatePodSpec(
  spec: PodSpec,
  path: FieldPath,
  errors: FieldErrors,
  { isPod = false, podName, isMirror = false }: PodSpecRules = {},
): void {
  if (spec.terminationGracePeriodSeconds === undefined) errors.required(path.child('terminationGracePeriodSeconds'));
  const volumes = validateVolumes(spec.volumes ?? [], { name: podName, isPod }, path.child('volumes'), errors);
  const claimNames = validateResourceClaims(spec.resourceClaims ?? [], isMirror, path.child('resourceClaims'), errors);
  validateContainers({ spec, volumes, claimNames }, path, errors);
  validatePodLevelResources(spec, claimNames, path.child('resources'), errors);
  validateHostNetwork(spec, isPod, path, errors);
  requireOneOf(errors, path.child('restartPolicy'), spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
  requireOneOf(errors, path.child('dnsPolicy'), spec.dnsPolicy, dnsPolicies);
  validateLabels(spec.nodeSelector, path.child('nodeSelector'), errors);
  validatePodSecurityContext(spec, path.child('securityContext'), errors);
  if (spec.affinity) validateAffinity(spec.affinity, path.child('affinity'), errors);
  validateDnsConfig(spec.dnsConfig, spec.dnsPolicy, path.child('dnsConfig'), errors);
  for (const [i, gate] of (spec.readinessGates ?? []).entries())
    requireQualifiedName(errors, path.child('readinessGates').index(i).child('conditionType'), gate.conditionType);
  validateSchedulingGates(spec.schedulingGates ?? [], path.child('schedulingGates'), errors);
  validateTopologySpread(spec.topologySpreadConstraints ?? [], path.child('topologySpreadConstraints'), errors);
  validateHostProcess(spec, path, errors);
  validateHostUsers(spec, path, errors);
  validateNamesOfOthers(spec, ['serviceAccountName', 'nodeName'], path, errors);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined) reject(errors, path.child('activeDeadlineSeconds'), deadline, isInRange(deadline, 1, 2 ** 31 - 1));
  for (const field of ['hostname', 'subdomain'] as const) if (spec[field]) requireDnsLabel(errors, path.child(field), spec[field]);
  validateTolerations(spec.tolerations ?? [], path.child('tolerations'), errors);
  validateHostAliases(spec, path.child('hostAliases'), errors);
  validateHostnameOverride(spec, path.child('hostnameOverride'), errors);
  validateNamesOfOthers(spec, ['priorityClassName', 'runtimeClassName'], path, errors);
  if (spec.preemptionPolicy !== undefined)
    requireOneOf(errors, path.child('preemptionPolicy'), spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  if (spec.overhead) validateContainerResources({ limits: spec.overhead }, new Set(), path.child('overhead'), errors);
  validatePodOs(spec, path, errors);
  validateEnvFileVolumes(spec, path, errors);
  if (!isPod) return;
  for (const field of ['containers', 'initContainers'] as const)
    for (const [i, { image = '' }] of (spec[field] ?? []).entries()) rejectPadded(image, path.child(field).index(i).child('image'), errors);
}

/**
 * Validates a pod template, after defaulting. What a kind asks beyond this (restart policy, labels that its selector matches) is
 * for the kind to check.
 */
export function validatePodTemplate(template: PodTemplateSpec, path: FieldPath, errors: FieldErrors): void {
  const { annotations, labels } = template.metadata ?? {};
  const { spec } = template;
  validateLabels(labels, path.child('labels'), errors);
  validateAnnotations(annotations, path.child('annotations'), errors);
  validatePodAnnotations(annotations, spec, path.child('annotations'), errors);
  validatePodSpec(spec, path.child('spec'), errors);
  validateProfileAnnotationsMatch(annotations, spec, path.child('spec'), errors);
  if (spec.ephemeralContainers?.length)
    errors.forbidden(path.child('spec', 'ephemeralContainers'), 'ephemeral containers not allowed in pod template');
}
