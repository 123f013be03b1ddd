/** The containers of a pod: regular, init and ephemeral ones. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { Container, ContainerPort, ContainerResizePolicy, EphemeralContainer, PodSpec } from '../generated/core.v1.ts';
import { isPortName, isPortNumber } from '../names.ts';
import { allowOneOf, protocols, reject, rejectNew, requireDnsLabel, requireOneOf } from './checks.ts';
import { validateEnv, validateEnvFrom } from './container-env.ts';
import { type VolumesByName, validateVolumeDevices, validateVolumeMounts } from './container-mounts.ts';
import { isSidecar } from './pod-resources.ts';
import { validateLifecycle, validateProbes } from './probes.ts';
import { validateContainerResources } from './resource-requirements.ts';
import { validateSecurityContext } from './security-context.ts';

/** What containers are checked against. */
export interface ContainerScope {
  spec: PodSpec;
  volumes: VolumesByName;
  claimNames: ReadonlySet<string>;
}

export const pullPolicies = ['Always', 'IfNotPresent', 'Never'];

function validatePorts(ports: readonly ContainerPort[], path: FieldPath, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const at = path.index(i);
    if (port.name) {
      const wrong = isPortName(port.name);
      reject(errors, at.child('name'), port.name, wrong);
      if (wrong.length === 0 && names.has(port.name)) errors.duplicate(at.child('name'), port.name);
      names.add(port.name);
    }
    if (!port.containerPort) errors.required(at.child('containerPort'));
    else reject(errors, at.child('containerPort'), port.containerPort, isPortNumber(port.containerPort));
    if (port.hostPort) reject(errors, at.child('hostPort'), port.hostPort, isPortNumber(port.hostPort));
    requireOneOf(errors, at.child('protocol'), port.protocol, protocols);
  }
}

/** No two ports of these containers on the same port of the node. */
function validateHostPorts(containers: readonly Container[], path: FieldPath, errors: FieldErrors): void {
  const taken = new Set<string>();
  for (const [c, container] of containers.entries()) {
    for (const [p, { hostIP = '', hostPort, protocol }] of (container.ports ?? []).entries()) {
      if (!hostPort) continue;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(key)) errors.duplicate(path.index(c).child('ports').index(p).child('hostPort'), key);
      taken.add(key);
    }
  }
}

function validateResizePolicy(
  policies: readonly ContainerResizePolicy[],
  scope: ContainerScope,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [i, { resourceName, restartPolicy }] of policies.entries()) {
    if (seen.has(resourceName)) errors.duplicate(path.index(i), resourceName);
    seen.add(resourceName);
    requireOneOf(errors, path, resourceName, ['cpu', 'memory']);
    requireOneOf(errors, path, restartPolicy, ['NotRequired', 'RestartContainer']);
    if (scope.spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      errors.invalid(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
  }
}

const maxRestartRules = 20;
const needsRestartPolicy = 'must specify restartPolicy when restart rules are used';

/** A container's own restart policy and the rules by exit code that come before it (KEP-5307, KEP-5532). */
function validateRestartRules(container: Container, path: FieldPath, errors: FieldErrors): void {
  const { restartPolicy, restartPolicyRules: rules = [] } = container;
  const supported = ['Always', 'Never', 'OnFailure'];
  if (restartPolicy !== undefined && !supported.includes(restartPolicy))
    errors.notSupported(path.child('restartPolicy'), restartPolicy, supported);
  if (rules.length === 0) return;
  if (restartPolicy === undefined) errors.required(path.child('restartPolicy'), needsRestartPolicy);
  const at = path.child('restartPolicyRules');
  if (rules.length > maxRestartRules) errors.tooMany(at, rules.length, maxRestartRules);
  for (const [i, { action, exitCodes }] of rules.entries()) {
    const actionPath = at.index(i).child('action');
    if (errors.isEnabled('RestartAllContainersOnContainerExits', true))
      allowOneOf(errors, actionPath, action ?? '', ['Restart', 'RestartAllContainers']);
    else if (action === 'RestartAllContainers')
      errors.ratcheting(() => errors.notSupported(actionPath, action, ['Restart']), 'restarting all containers');
    else allowOneOf(errors, actionPath, action ?? '', ['Restart']);
    const codesPath = at.index(i).child('exitCodes');
    if (!exitCodes) {
      errors.required(codesPath, 'must be specified');
      continue;
    }
    allowOneOf(errors, codesPath.child('operator'), exitCodes.operator ?? '', ['In', 'NotIn']);
    const values = exitCodes.values ?? [];
    if (values.length > 255) errors.tooMany(codesPath.child('values'), values.length, 255);
  }
}

/** Those of an init container are looked at only where it says what they are exceptions of. */
function validateInitRestartRules(container: Container, path: FieldPath, errors: FieldErrors): void {
  if (container.restartPolicy !== undefined) validateRestartRules(container, path, errors);
  else if (container.restartPolicyRules?.length) errors.required(path.child('restartPolicy'), needsRestartPolicy);
}

function validateCommon(container: Container, scope: ContainerScope, path: FieldPath, errors: FieldErrors): void {
  const { image = '', name = '' } = container;
  if (!name) errors.required(path.child('name'));
  else requireDnsLabel(errors, path.child('name'), name);
  if (!image) errors.required(path.child('image'));
  requireOneOf(errors, path.child('terminationMessagePolicy'), container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']);
  validatePorts(container.ports ?? [], path.child('ports'), errors);
  validateEnv(container.env ?? [], path.child('env'), errors);
  validateEnvFrom(container.envFrom ?? [], path.child('envFrom'), errors);
  validateVolumeMounts(container, scope.volumes, path.child('volumeMounts'), errors);
  validateVolumeDevices(container, scope.volumes, path.child('volumeDevices'), errors);
  requireOneOf(errors, path.child('imagePullPolicy'), container.imagePullPolicy, pullPolicies);
  validateContainerResources(container.resources ?? {}, scope.claimNames, path.child('resources'), errors);
  validateResizePolicy(container.resizePolicy ?? [], scope, path.child('resizePolicy'), errors);
  const hostUsers = scope.spec.hostUsers !== false;
  if (container.securityContext) validateSecurityContext(container.securityContext, hostUsers, path.child('securityContext'), errors);
}

/** Of pods only: templates have been allowed it. */
export function rejectPadded(image: string, path: FieldPath, errors: FieldErrors): void {
  if (image.trim() !== image) errors.invalid(path, image, 'must not have leading or trailing whitespace');
}

function validateHooksAndProbes(container: Container, scope: ContainerScope, path: FieldPath, errors: FieldErrors): void {
  const { os, terminationGracePeriodSeconds } = scope.spec;
  if (container.lifecycle) validateLifecycle(container.lifecycle, terminationGracePeriodSeconds, os?.name, path.child('lifecycle'), errors);
  validateProbes(container, path, errors);
}

function validateRegularContainers(scope: ContainerScope, path: FieldPath, errors: FieldErrors): void {
  const containers = scope.spec.containers ?? [];
  if (containers.length === 0) errors.required(path);
  const names = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const at = path.index(i);
    validateCommon(container, scope, at, errors);
    if (names.has(container.name)) errors.duplicate(at.child('name'), container.name);
    names.add(container.name);
    validateHooksAndProbes(container, scope, at, errors);
    validateRestartRules(container, at, errors);
  }
  validateHostPorts(containers, path, errors);
}

function validateInitContainers(scope: ContainerScope, path: FieldPath, errors: FieldErrors): void {
  const names = new Set((scope.spec.containers ?? []).map((container) => container.name));
  for (const [i, container] of (scope.spec.initContainers ?? []).entries()) {
    const at = path.index(i);
    validateCommon(container, scope, at, errors);
    validateInitRestartRules(container, at, errors);
    if (names.has(container.name)) errors.duplicate(at.child('name'), container.name);
    else if (container.name) names.add(container.name);
    // They run one after the other: a port conflicts only with its own container's.
    validateHostPorts([container], path, errors);
    if (isSidecar(container)) validateHooksAndProbes(container, scope, at, errors);
    else {
      for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
        if (container[field]) errors.forbidden(at.child(field), 'may not be set for init containers without restartPolicy=Always');
      for (const [p, { restartPolicy }] of (container.resizePolicy ?? []).entries())
        if (restartPolicy === 'RestartContainer')
          rejectNew(errors, at.child('resizePolicy').index(p).child('restartPolicy'), restartPolicy, [
            "must not be set to 'RestartContainer' for non-sidecar initContainers",
          ]);
    }
  }
}

/** What an ephemeral container must not have: it is for looking, not for working. */
const forbiddenInEphemeral = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

/** Whether a container has the field: one that asks for no resources says so too. */
const isSet = (container: EphemeralContainer, field: (typeof forbiddenInEphemeral)[number]) =>
  container[field] !== undefined && (field !== 'resources' || Object.keys(container.resources ?? {}).length > 0);

function validateEphemeralContainers(
  containers: readonly EphemeralContainer[],
  scope: ContainerScope,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const others = new Set([...(scope.spec.containers ?? []), ...(scope.spec.initContainers ?? [])].map((container) => container.name));
  const names = new Set(others);
  for (const [i, container] of containers.entries()) {
    const at = path.index(i);
    const { targetContainerName: target } = container;
    validateCommon(container, scope, at, errors);
    rejectPadded(container.image ?? '', at.child('image'), errors);
    if (names.has(container.name)) errors.duplicate(at.child('name'), container.name);
    names.add(container.name);
    if (target && !others.has(target)) errors.notFound(at.child('targetContainerName'), target);
    const notAllowed = 'cannot be set for an Ephemeral Container';
    for (const field of forbiddenInEphemeral) if (isSet(container, field)) errors.forbidden(at.child(field), notAllowed);
    for (const [m, mount] of (container.volumeMounts ?? []).entries()) {
      const mountPath = at.child('volumeMounts').index(m);
      if (mount.subPath) errors.forbidden(mountPath.child('subPath'), notAllowed);
      if (mount.subPathExpr) errors.forbidden(mountPath.child('subPathExpr'), notAllowed);
    }
  }
}

/** All containers of a pod spec at `path`. */
export function validateContainers(scope: ContainerScope, path: FieldPath, errors: FieldErrors): void {
  validateRegularContainers(scope, path.child('containers'), errors);
  validateInitContainers(scope, path.child('initContainers'), errors);
  validateEphemeralContainers(scope.spec.ephemeralContainers ?? [], scope, path.child('ephemeralContainers'), errors);
}
