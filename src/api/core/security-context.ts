/** Security settings of pods and containers. */

import type { FieldErrors, FieldPath } from '../fields.ts';
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
  WindowsSecurityContextOptions,
} from '../generated/core.v1.ts';
import { internalForm } from '../internal-form.ts';
import { byteLength, isDns1123Subdomain, isUserOrGroupId } from '../names.ts';
import { allowOneOf, reject } from './checks.ts';
import { requireDescendingPath } from './file-paths.ts';

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function validateSeccompProfile(profile: SeccompProfile | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!profile) return;
  if (!profile.type) errors.required(path.child('type'), 'type is required when seccompProfile is set');
  else allowOneOf(errors, path.child('type'), profile.type, profileTypes);
  const at = path.child('localhostProfile');
  if (profile.type === 'Localhost') {
    if (profile.localhostProfile === undefined) errors.required(at, 'must be set when seccomp type is Localhost');
    else requireDescendingPath(errors, at, profile.localhostProfile);
  } else if (profile.localhostProfile !== undefined) {
    const shown = { Type: profile.type ?? '', LocalhostProfile: profile.localhostProfile };
    errors.invalid(at, shown, 'can only be set when seccomp type is Localhost');
  }
}

/** Longest path that Linux takes (PATH_MAX - 1). */
export const maxAppArmorProfileBytes = 4095;

function validateAppArmorProfile(profile: AppArmorProfile | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!profile) return;
  const at = path.child('localhostProfile');
  const { localhostProfile: name } = profile;
  if (profile.type === 'Localhost') {
    if (name === undefined || name === '') errors.required(at, 'must be set when AppArmor type is Localhost');
    else if (name.trim() !== name) errors.invalid(at, name, 'must not be padded with whitespace');
    if (byteLength(name ?? '') > maxAppArmorProfileBytes) errors.tooLong(at, maxAppArmorProfileBytes);
  } else if (!profile.type) errors.required(path.child('type'), 'type is required when appArmorProfile is set');
  else if (!profileTypes.includes(profile.type)) errors.notSupported(path.child('type'), profile.type, profileTypes);
  else if (name !== undefined) errors.invalid(at, name, 'can only be set when AppArmor type is Localhost');
}

function validateWindowsUserName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (name === '') {
    errors.invalid(path, name, 'runAsUserName cannot be an empty string');
    return;
  }
  if (/\p{Cc}/u.test(name)) {
    errors.invalid(path, name, 'runAsUserName cannot contain control characters');
    return;
  }
  const parts = name.split('\\');
  if (parts.length > 2) {
    errors.invalid(path, name, 'runAsUserName cannot contain more than one backslash');
    return;
  }
  const user = parts.at(-1) ?? '';
  const domain = parts.length === 2 ? parts[0] : undefined;
  if (domain !== undefined) {
    if (byteLength(domain) >= 256) errors.invalid(path, name, "runAsUserName's Domain length must be under 256 characters");
    const isNetBios = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/.test(domain);
    const isDns = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/.test(domain);
    if (!isNetBios && !isDns) errors.invalid(path, name, "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === '') errors.invalid(path, name, "runAsUserName's User cannot be empty");
  else if (byteLength(user) > 104) errors.invalid(path, name, "runAsUserName's User length must not be longer than 104 characters");
  if (/^[. ]+$/.test(user)) errors.invalid(path, name, "runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user))
    errors.invalid(path, name, 'runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]');
}

function validateWindowsOptions(options: WindowsSecurityContextOptions | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!options) return;
  const { gmsaCredentialSpec: spec, gmsaCredentialSpecName: specName, runAsUserName } = options;
  if (specName !== undefined) reject(errors, path.child('gmsaCredentialSpecName'), specName, isDns1123Subdomain(specName));
  const at = path.child('gmsaCredentialSpec');
  if (spec === '') errors.invalid(at, spec, 'gmsaCredentialSpec cannot be an empty string');
  else if (byteLength(spec ?? '') > 64 * 1024) errors.invalid(at, spec, 'gmsaCredentialSpec size must be under 64 KiB');
  if (runAsUserName !== undefined) validateWindowsUserName(runAsUserName, path.child('runAsUserName'), errors);
}

function validateIds(context: { runAsUser?: number; runAsGroup?: number; fsGroup?: number }, path: FieldPath, errors: FieldErrors): void {
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) {
    const id = context[field];
    if (id !== undefined) reject(errors, path.child(field), id, isUserOrGroupId(id));
  }
}

/** A container's settings. `hostUsers` says whether the pod shares the node's user namespace. */
export function validateSecurityContext(context: SecurityContext, hostUsers: boolean, path: FieldPath, errors: FieldErrors): void {
  validateIds(context, path, errors);
  if (context.procMount !== undefined) {
    allowOneOf(errors, path.child('procMount'), context.procMount, ['Default', 'Unmasked']);
    if (hostUsers && context.procMount === 'Unmasked')
      errors.invalid(path.child('procMount'), context.procMount, '`hostUsers` must be false to use `Unmasked`');
  }
  validateSeccompProfile(context.seccompProfile, path.child('seccompProfile'), errors);
  if (context.allowPrivilegeEscalation === false) {
    const shown = () => internalForm('core.v1.SecurityContext', context);
    if (context.privileged) errors.invalid(path, shown(), 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true');
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
      errors.invalid(path, shown(), 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN');
  }
  validateWindowsOptions(context.windowsOptions, path.child('windowsOptions'), errors);
  validateAppArmorProfile(context.appArmorProfile, path.child('appArmorProfile'), errors);
}

const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlPattern = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`;
const sysctlName = new RegExp(sysctlPattern);
const maxSysctlLength = 253;

function validateSysctls(spec: PodSpec, context: PodSecurityContext, path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { name }] of (context.sysctls ?? []).entries()) {
    const at = path.index(i).child('name');
    if (!name) errors.required(at);
    else if (name.length > maxSysctlLength || !sysctlName.test(name))
      errors.invalid(at, name, `must have at most ${maxSysctlLength} characters and match regex ${sysctlPattern}`);
    else if (seen.has(name)) errors.duplicate(at, name);
    const dotted = (name ?? '').replaceAll('/', '.');
    errors.ratcheting(() => {
      if (spec.hostNetwork && dotted.startsWith('net.')) errors.invalid(at, name, "may not be specified when 'hostNetwork' is true");
      else if (spec.hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted))
        errors.invalid(at, name, "may not be specified when 'hostIPC' is true");
    });
    seen.add(name);
  }
}

/** The pod's settings. */
export function validatePodSecurityContext(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const context = spec.securityContext;
  if (!context) return;
  validateIds(context, path, errors);
  for (const [i, id] of (context.supplementalGroups ?? []).entries())
    reject(errors, path.child('supplementalGroups').index(i), id, isUserOrGroupId(id));
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.invalid(path.child('shareProcessNamespace'), true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  validateSysctls(spec, context, path.child('sysctls'), errors);
  allowOneOf(errors, path.child('fsGroupChangePolicy'), context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']);
  validateSeccompProfile(context.seccompProfile, path.child('seccompProfile'), errors);
  validateWindowsOptions(context.windowsOptions, path.child('windowsOptions'), errors);
  validateAppArmorProfile(context.appArmorProfile, path.child('appArmorProfile'), errors);
  allowOneOf(errors, path.child('supplementalGroupsPolicy'), context.supplementalGroupsPolicy, ['Merge', 'Strict']);
  const { seLinuxChangePolicy } = context;
  const policyPath = path.child('seLinuxChangePolicy');
  if (errors.isEnabled('SELinuxMount', false)) allowOneOf(errors, policyPath, seLinuxChangePolicy, ['MountOption', 'Recursive']);
  // Stays where it was allowed once.
  else if (seLinuxChangePolicy === 'MountOption')
    errors.ratcheting(() => errors.notSupported(policyPath, seLinuxChangePolicy, ['Recursive']));
  else allowOneOf(errors, policyPath, seLinuxChangePolicy, ['Recursive']);
}
