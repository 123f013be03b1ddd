/** A container's mounts: its volumes, /etc/hosts and the file for its last words. */
import { mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Pod, VolumeMount } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { uidOf } from '../pod/identity.ts';
import type { Paths } from '../pod/paths.ts';
import type { MountedVolume } from '../volumes/volume-manager.ts';
import { ContainerConfigError } from './environment.ts';
import { expand } from './expansion.ts';

const propagations: Record<string, cri.MountPropagation> = {
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
};

/** The place below a volume that subPath names, made if it is not there; refuses what leads out of the volume. */
async function subPathOf(volume: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/') || subPath.split('/').includes('..'))
    throw new ContainerConfigError(`subPath ${JSON.stringify(subPath)} must stay in its volume`);
  const path = join(volume, subPath);
  const exists = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  if (!exists) await mkdir(path, { recursive: true, mode: 0o750 });
  const [root, real] = await Promise.all([realpath(volume), realpath(path)]);
  // Names may begin with two dots: the atomic writer's do.
  if (/^\.\.(\/|$)/.test(relative(root, real)))
    throw new ContainerConfigError(`failed to prepare subPath for volumeMount: ${path} leads out of its volume`);
  return real;
}

async function volumeMount(
  mount: VolumeMount,
  volume: MountedVolume,
  env: ReadonlyMap<string, string>,
  hollow: boolean,
): Promise<cri.Mount> {
  const sub = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, (name) => env.get(name));
  return {
    containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    hostPath: sub && !hollow ? await subPathOf(volume.path, sub) : volume.path,
    readonly: volume.readOnly || (mount.readOnly ?? false),
    selinuxRelabel: false,
    propagation: propagations[mount.mountPropagation ?? ''] ?? 'PROPAGATION_PRIVATE',
    ...(mount.recursiveReadOnly === 'Enabled' || mount.recursiveReadOnly === 'IfPossible'
      ? { recursiveReadOnly: mount.recursiveReadOnly === 'Enabled' }
      : {}),
  };
}

export interface MountInput {
  pod: Pod;
  container: AnyContainer;
  volumes: ReadonlyMap<string, MountedVolume>;
  env: ReadonlyMap<string, string>;
  paths: Paths;
  /** Whether the pod's etc-hosts has been written. */
  hostsFile: boolean;
  hollow: boolean;
  /** Eight hexadecimal digits that no other container of this name has. */
  nonce: string;
}

export async function containerMounts({ pod, container, volumes, env, paths, hostsFile, hollow, nonce }: MountInput): Promise<cri.Mount[]> {
  const mounts: cri.Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumes.get(mount.name);
    if (!volume)
      throw new ContainerConfigError(
        `cannot find volume ${JSON.stringify(mount.name)} to mount into container ${JSON.stringify(container.name)}`,
      );
    mounts.push(await volumeMount(mount, volume, env, hollow));
  }
  if (hollow) return mounts;
  const plain = { readonly: false, selinuxRelabel: false, propagation: 'PROPAGATION_PRIVATE' as const };
  if (hostsFile && !mounts.some((m) => m.containerPath === '/etc/hosts')) {
    const readonly = container.securityContext?.readOnlyRootFilesystem ?? false;
    mounts.push({ ...plain, containerPath: '/etc/hosts', hostPath: paths.etcHosts(uidOf(pod)), readonly });
  }
  const file = join(paths.container(uidOf(pod), container.name), nonce);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, '', { mode: 0o666 });
  mounts.push({ ...plain, containerPath: container.terminationMessagePath ?? '/dev/termination-log', hostPath: file });
  return mounts;
}
