/** What a pod that names its operating system may not say. */
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { Container, EphemeralContainer, PodSpec } from '../generated/core.v1.ts';

/** All containers of a pod with their places: init, regular, ephemeral. */
export function* eachContainer(spec: PodSpec, path: FieldPath): Generator<[Container | EphemeralContainer, FieldPath]> {
  for (const field of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [i, container] of (spec[field] ?? []).entries()) yield [container, path.child(field).index(i)];
}

function validateLinux(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const detail = 'windows options cannot be set for a linux pod';
  if (spec.securityContext?.windowsOptions) errors.forbidden(path.child('securityContext', 'windowsOptions'), detail);
  for (const [container, at] of eachContainer(spec, path))
    if (container.securityContext?.windowsOptions) errors.forbidden(at.child('securityContext', 'windowsOptions'), detail);
}

const linuxPodContext = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const;
const linuxContext = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const;

function validateWindows(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const detail = 'cannot be set for a windows pod';
  for (const field of linuxPodContext)
    if (spec.securityContext?.[field] !== undefined) errors.forbidden(path.child('securityContext', field), detail);
  if (spec.hostUsers !== undefined) errors.forbidden(path.child('hostUsers'), detail);
  for (const field of ['hostPID', 'hostIPC'] as const) if (spec[field]) errors.forbidden(path.child(field), detail);
  if (spec.shareProcessNamespace !== undefined) errors.forbidden(path.child('shareProcessNamespace'), detail);
  for (const [container, at] of eachContainer(spec, path))
    for (const field of linuxContext)
      if (container.securityContext?.[field] !== undefined) errors.forbidden(at.child('securityContext', field), detail);
}

export function validatePodOs(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  if (!spec.os) return;
  const { name } = spec.os;
  if (!name) errors.required(path.child('os', 'name'));
  else if (name === 'linux') validateLinux(spec, path, errors);
  else if (name === 'windows') validateWindows(spec, path, errors);
  else errors.notSupported(path.child('os'), name, ['linux', 'windows']);
}

/** Host-process containers: all of a pod's or none, and on the node's network. */
export function validateHostProcess(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  let all = 0;
  let hostProcesses = 0;
  for (const [container, at] of eachContainer(spec, path)) {
    all++;
    const own = container.securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && ofPod !== own)
      errors.invalid(
        at.child('securityContext', 'windowsOptions', 'hostProcess'),
        own,
        `pod hostProcess value must be identical if both are specified, was ${ofPod}`,
      );
    if (own ?? ofPod) hostProcesses++;
  }
  if (hostProcesses === 0) return;
  if (hostProcesses !== all)
    errors.invalid(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers');
  if (!spec.hostNetwork)
    errors.invalid(path.child('hostNetwork'), false, 'hostNetwork must be true if pod contains any hostProcess containers');
}
