/** A container's mounts: its volumes, /etc/hosts and the file for its last words. */
import { chmod, mkdir, realpath, stat, writeFile } from 'node:fs/promises';
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
  if (subPath.startsWith('/')) throw new ContainerConfigError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..'))
    throw new ContainerConfigError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  const path = join(volume, subPath);
  const root = await realpath(volume);
  await makeLike(root, path);
  const real = await realpath(path);
  // Names may begin with two dots: the atomic writer's do.
  if (/^\.\.(\/|$)/.test(relative(root, real)))
    throw new ContainerConfigError(`failed to prepare subPath for volumeMount: ${path} leads out of its volume`);
  return real;
}

/** Makes a directory where nothing is, and its parents; whoever may write the volume may write it too. */
async function makeLike(volume: string, path: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found) return;
  await makeLike(volume, dirname(path));
  const parent = await realpath(dirname(path));
  // Nothing is made where a link leads out of the volume; the caller refuses it.
  if (/^\.\.(\/|$)/.test(relative(volume, parent)))
    throw new ContainerConfigError(`failed to prepare subPath for volumeMount: ${path} leads out of its volume`);
  await mkdir(path);
  // The mode that mkdir takes is subject to the umask.
  await chmod(path, (await stat(volume)).mode & 0o777);
}

/** `subPathExpr` with its variables; unlike in a command, all of them must be known. */
function expandSubPath(expression: string, env: ReadonlyMap<string, string>): string {
  return expand(expression, (name) => {
    const value = env.get(name);
    if (value === undefined) throw new ContainerConfigError(`missing value for ${JSON.stringify(name)}`);
    return value;
  });
}

async function volumeMount(
  mount: VolumeMount,
  volume: MountedVolume,
  env: ReadonlyMap<string, string>,
  hollow: boolean,
): Promise<cri.Mount> {
  const sub = mount.subPathExpr === undefined ? mount.subPath : expandSubPath(mount.subPathExpr, env);
  if (volume.image)
    return {
      containerPath: mount.mountPath,
      readonly: true,
      image: { image: volume.image.reference ?? '', userSpecifiedImage: volume.image.reference ?? '', annotations: {} },
      imageSubPath: sub ?? '',
    };
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
  await writeFile(file, '');
  // Whoever the container runs as may write it, whatever the kubelet's umask.
  await chmod(file, 0o666);
  mounts.push({ ...plain, containerPath: container.terminationMessagePath ?? '/dev/termination-log', hostPath: file });
  return mounts;
}
