/** Security contexts of a pod and its containers, merged, in CRI's terms. */
import type { Pod, SELinuxOptions, SeccompProfile, SecurityContext } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { ContainerConfigError } from './environment.ts';

/** What runtimes hide of /proc unless procMount is Unmasked. */
const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const int64 = (value: number | undefined) => (value === undefined ? undefined : { value });

function namespaceOptions(pod: Pod): cri.NamespaceOption {
  return {
    network: pod.spec.hostNetwork ? 'NODE' : 'POD',
    ipc: pod.spec.hostIPC ? 'NODE' : 'POD',
    pid: pod.spec.hostPID ? 'NODE' : pod.spec.shareProcessNamespace ? 'POD' : 'CONTAINER',
  };
}

function seLinux(options: SELinuxOptions | undefined): cri.SELinuxOption | undefined {
  return options ? { user: options.user ?? '', role: options.role ?? '', type: options.type ?? '', level: options.level ?? '' } : undefined;
}

function seccomp(profile: SeccompProfile | undefined, seccompDefault: boolean, seccompRoot: string): cri.SecurityProfile {
  switch (profile?.type) {
    case 'RuntimeDefault':
      return { profileType: 'RuntimeDefault' };
    case 'Localhost':
      return { profileType: 'Localhost', localhostRef: `${seccompRoot}/${profile.localhostProfile ?? ''}` };
    case undefined:
      return { profileType: seccompDefault ? 'RuntimeDefault' : 'Unconfined' };
    default:
      return { profileType: 'Unconfined' };
  }
}

/** fsGroup and supplementalGroups: groups that every process of the pod is in. */
function supplementalGroups(pod: Pod): number[] {
  const context = pod.spec.securityContext;
  return [...(context?.fsGroup === undefined ? [] : [context.fsGroup]), ...(context?.supplementalGroups ?? [])];
}

export function sandboxSecurityContext(pod: Pod): cri.LinuxSandboxSecurityContext {
  const context = pod.spec.securityContext;
  const privileged = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].some((c) => c.securityContext?.privileged);
  return {
    privileged,
    namespaceOptions: namespaceOptions(pod),
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: context?.supplementalGroupsPolicy === 'Strict' ? 'Strict' : 'Merge',
    // The sandbox's own process needs nothing special, whatever the pod's containers do.
    seccomp: { profileType: 'RuntimeDefault' },
    ...(context?.runAsUser === undefined ? {} : { runAsUser: { value: context.runAsUser } }),
    ...(context?.runAsGroup === undefined ? {} : { runAsGroup: { value: context.runAsGroup } }),
    ...(context?.seLinuxOptions ? { selinuxOptions: seLinux(context.seLinuxOptions) ?? {} } : {}),
  };
}

/** The container's own settings over the pod's. */
function effective(pod: Pod, container: AnyContainer): SecurityContext {
  const p = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const inherit = <K extends 'runAsUser' | 'runAsGroup' | 'runAsNonRoot' | 'seLinuxOptions' | 'seccompProfile' | 'appArmorProfile'>(
    key: K,
  ) => {
    const value = own[key] ?? p[key];
    return value === undefined ? {} : { [key]: value };
  };
  return {
    ...own,
    ...inherit('runAsUser'),
    ...inherit('runAsGroup'),
    ...inherit('runAsNonRoot'),
    ...inherit('seLinuxOptions'),
    ...inherit('seccompProfile'),
    ...inherit('appArmorProfile'),
  };
}

const allCapabilities = (names: readonly string[] | undefined) => (names ?? []).map((name) => name.replace(/^CAP_/, ''));

export interface SecurityOptions {
  seccompDefault: boolean;
  /** Where Localhost seccomp profiles are. */
  seccompRoot: string;
  /** For an ephemeral container that debugs another: that one's id. */
  targetContainerId?: string;
  /** The image's user, where known: a number, or a name. */
  image?: { uid?: number; username?: string };
}

/** Throws ContainerConfigError where runAsNonRoot forbids the user that the container would run as. */
export function containerSecurityContext(pod: Pod, container: AnyContainer, options: SecurityOptions): cri.LinuxContainerSecurityContext {
  const context = effective(pod, container);
  verifyNonRoot(pod, container, context, options.image);
  const unmasked = context.procMount === 'Unmasked' || context.privileged === true;
  const username = context.runAsUser === undefined && options.image?.uid === undefined ? options.image?.username : undefined;
  const runAsUser = int64(context.runAsUser ?? (context.runAsGroup === undefined ? undefined : options.image?.uid));
  return {
    privileged: context.privileged ?? false,
    readonlyRootfs: context.readOnlyRootFilesystem ?? false,
    namespaceOptions: options.targetContainerId
      ? { ...namespaceOptions(pod), pid: 'TARGET', targetId: options.targetContainerId }
      : namespaceOptions(pod),
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: pod.spec.securityContext?.supplementalGroupsPolicy === 'Strict' ? 'Strict' : 'Merge',
    seccomp: seccomp(context.seccompProfile, options.seccompDefault, options.seccompRoot),
    noNewPrivs: context.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : maskedPaths,
    readonlyPaths: unmasked ? [] : readonlyPaths,
    capabilities: {
      addCapabilities: allCapabilities(context.capabilities?.add),
      dropCapabilities: allCapabilities(context.capabilities?.drop),
    },
    ...(runAsUser ? { runAsUser } : username && context.runAsGroup !== undefined ? { runAsUsername: username } : {}),
    ...(context.runAsGroup === undefined ? {} : { runAsGroup: { value: context.runAsGroup } }),
    ...(context.seLinuxOptions ? { selinuxOptions: seLinux(context.seLinuxOptions) ?? {} } : {}),
    ...(context.appArmorProfile
      ? {
          apparmor: {
            profileType:
              context.appArmorProfile.type === 'Localhost'
                ? 'Localhost'
                : context.appArmorProfile.type === 'Unconfined'
                  ? 'Unconfined'
                  : 'RuntimeDefault',
            localhostRef: context.appArmorProfile.localhostProfile ?? '',
          } as const,
        }
      : {}),
  };
}

function verifyNonRoot(pod: Pod, container: AnyContainer, context: SecurityContext, image: SecurityOptions['image']): void {
  if (!context.runAsNonRoot) return;
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (context.runAsUser !== undefined) {
    if (context.runAsUser === 0) throw new ContainerConfigError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  if (image?.username) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
  }
  if ((image?.uid ?? 0) === 0) throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`);
}
