/** A pod's volumes: made before its containers start, kept up to date while it lives, removed when it is gone. */
import { chmod, chown, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  hasReason,
  type ImageVolumeSource,
  PersistentVolume,
  PersistentVolumeClaim,
  type Pod,
  quantityValue,
  type ResourceList,
  type Volume,
} from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import { uidOf } from '../pod/identity.ts';
import type { ObjectSource } from '../sources/object-source.ts';
import { type Payload, writeAtomically } from './atomic-writer.ts';
import { ensureHostPath } from './host-path.ts';
import type { Mounter } from './mounter.ts';
import { configMapPayload, downwardPayload, type PayloadSources, projectedPayload, secretPayload } from './payload.ts';
import { tokenCache } from './token-cache.ts';

/** A volume as containers mount it. */
export interface MountedVolume {
  path: string;
  /** The volume is read-only whatever the mount says. */
  readOnly: boolean;
  /** It is an image, which the runtime mounts; there is no path. */
  image?: ImageVolumeSource;
}

export interface VolumeManager {
  /** Makes all volumes of the pod, or brings them up to date; those whose making fails are in `failed` by name. */
  mount(
    pod: Pod,
    podIPs: readonly string[],
    signal: AbortSignal,
  ): Promise<{ volumes: Map<string, MountedVolume>; failed: Map<string, Error> }>;
  /** When the pod's volumes want `mount` again though nothing changed (token renewal). */
  refreshAtMs(uid: string): number | undefined;
  /** Unmounts and removes all; safe to call again. */
  remove(uid: string): Promise<void>;
}

/** The folder that a pod's emptyDirs are in. */
export const emptyDirPlugin = 'kubernetes.io~empty-dir';

const plugins = {
  emptyDir: emptyDirPlugin,
  configMap: 'kubernetes.io~configmap',
  secret: 'kubernetes.io~secret',
  downwardAPI: 'kubernetes.io~downward-api',
  projected: 'kubernetes.io~projected',
};

const defaultMode = 0o644;

interface Options {
  context: Pick<KubeletContext, 'client' | 'clock' | 'paths' | 'nodeName' | 'nodeIPs' | 'hollow' | 'logger'>;
  objects: ObjectSource;
  mounter: Mounter;
  allocatable(): ResourceList;
}

export function volumeManager({ context, objects, mounter, allocatable }: Options): VolumeManager {
  const { client, clock, paths } = context;
  const tokens = tokenCache(client, clock);
  const made = new Set<string>();

  /** Files that must not reach a disk live in memory. */
  async function memoryDirectory(path: string, sizeBytes?: number): Promise<void> {
    if (made.has(path)) return;
    await mkdir(path, { recursive: true });
    if ((await mounter.below(path)).includes(path)) return;
    await mounter.tmpfs(path, sizeBytes);
  }

  async function write(pod: Pod, plugin: keyof typeof plugins, name: string, payload: Payload, inMemory: boolean): Promise<MountedVolume> {
    const path = paths.volume(uidOf(pod), plugins[plugin], name);
    if (inMemory) await memoryDirectory(path);
    const gid = pod.spec.securityContext?.fsGroup;
    const files = gid === undefined ? payload : new Map([...payload].map(([file, f]) => [file, { ...f, mode: f.mode | 0o440 }]));
    await writeAtomically(path, files, new Date(clock.now()), gid);
    made.add(path);
    return { path, readOnly: true };
  }

  async function emptyDir(pod: Pod, { name, emptyDir: source }: Volume): Promise<MountedVolume> {
    const path = paths.volume(uidOf(pod), plugins.emptyDir, name);
    if (made.has(path)) return { path, readOnly: false };
    await mkdir(path, { recursive: true });
    if (source?.medium === 'Memory') await memoryDirectory(path, source.sizeLimit ? quantityValue(source.sizeLimit) : undefined);
    await chmod(path, 0o777);
    const gid = pod.spec.securityContext?.fsGroup;
    if (gid !== undefined) await giveToGroup(path, gid);
    made.add(path);
    return { path, readOnly: false };
  }

  async function claim(pod: Pod, name: string, readOnly: boolean, signal: AbortSignal): Promise<MountedVolume> {
    const namespace = pod.metadata.namespace ?? '';
    const found = await client.get(PersistentVolumeClaim, name, { namespace, signal }).catch((error) => {
      if (hasReason(error, 'NotFound')) throw new Error(`persistentvolumeclaim ${JSON.stringify(name)} not found`);
      throw error;
    });
    if (found.status?.phase !== 'Bound' || !found.spec.volumeName) throw new Error(`PVC ${namespace}/${name} is not bound`);
    const volume = await client.get(PersistentVolume, found.spec.volumeName, { signal });
    if (volume.spec.hostPath) {
      await ensureHostPath(volume.spec.hostPath);
      return { path: volume.spec.hostPath.path, readOnly };
    }
    if (volume.spec.local) {
      await lstat(volume.spec.local.path);
      const gid = pod.spec.securityContext?.fsGroup;
      if (gid !== undefined && !readOnly)
        await giveToGroup(volume.spec.local.path, gid, pod.spec.securityContext?.fsGroupChangePolicy === 'OnRootMismatch');
      return { path: volume.spec.local.path, readOnly };
    }
    throw new Error(`no volume plugin matched for PersistentVolume ${volume.metadata.name}: this kubelet mounts hostPath and local ones`);
  }

  async function one(pod: Pod, volume: Volume, podIPs: readonly string[], signal: AbortSignal): Promise<MountedVolume> {
    const from: PayloadSources = {
      configMap: (namespace, name) => objects.configMap(namespace, name, signal),
      secret: (namespace, name) => objects.secret(namespace, name, signal),
      token: (p, audience, seconds) => tokens.token(p, audience, seconds),
      node: { name: context.nodeName, ips: context.nodeIPs },
      allocatable: allocatable(),
      podIPs,
    };
    const { name } = volume;
    if (volume.image) return { path: '', readOnly: true, image: volume.image };
    if (volume.hostPath) {
      await ensureHostPath(volume.hostPath);
      return { path: volume.hostPath.path, readOnly: false };
    }
    if (volume.configMap) {
      const payload = await configMapPayload(pod, volume.configMap, volume.configMap.defaultMode ?? defaultMode, from);
      return write(pod, 'configMap', name, payload, false);
    }
    if (volume.secret) {
      const { secretName, ...rest } = volume.secret;
      const payload = await secretPayload(
        pod,
        { ...rest, ...(secretName ? { name: secretName } : {}) },
        volume.secret.defaultMode ?? defaultMode,
        from,
      );
      return write(pod, 'secret', name, payload, true);
    }
    if (volume.downwardAPI) {
      const payload = downwardPayload(pod, volume.downwardAPI.items, volume.downwardAPI.defaultMode ?? defaultMode, from);
      return write(pod, 'downwardAPI', name, payload, false);
    }
    if (volume.projected) {
      const payload = await projectedPayload(pod, volume.projected.sources, volume.projected.defaultMode ?? defaultMode, from);
      return write(pod, 'projected', name, payload, true);
    }
    if (volume.persistentVolumeClaim)
      return claim(pod, volume.persistentVolumeClaim.claimName, volume.persistentVolumeClaim.readOnly ?? false, signal);
    if (volume.ephemeral) return claim(pod, `${pod.metadata.name}-${name}`, false, signal);
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    if (volume.emptyDir || sources.length === 0) return emptyDir(pod, volume);
    throw new Error(`no volume plugin matched: ${sources.join(', ')} is not supported by this kubelet`);
  }

  return {
    async mount(pod, podIPs, signal) {
      const volumes = new Map<string, MountedVolume>();
      const failed = new Map<string, Error>();
      const all = pod.spec.volumes ?? [];
      if (context.hollow) {
        for (const { name, image } of all)
          volumes.set(name, image ? { path: '', readOnly: true, image } : { path: `/hollow/${name}`, readOnly: false });
        return { volumes, failed };
      }
      await Promise.all(
        all.map(async (volume) => {
          try {
            volumes.set(volume.name, await one(pod, volume, podIPs, signal));
          } catch (error) {
            signal.throwIfAborted();
            failed.set(volume.name, error instanceof Error ? error : new Error(String(error)));
          }
        }),
      );
      return { volumes, failed };
    },
    refreshAtMs: (uid) => tokens.renewAtMs(uid),
    async remove(uid) {
      tokens.forget(uid);
      if (context.hollow) return;
      const directory = paths.pod(uid);
      for (const path of made) if (path.startsWith(`${directory}/`)) made.delete(path);
      for (const point of await mounter.below(directory)) await mounter.unmount(point);
      await rm(join(directory, 'volumes'), { recursive: true, force: true });
    },
  };
}

/** fsGroup: the group owns everything, may write it, and what is made in directories belongs to it too. */
async function giveToGroup(path: string, gid: number, onlyOnMismatch = false): Promise<void> {
  const info = await lstat(path);
  if (onlyOnMismatch && info.gid === gid && (info.mode & 0o2070) === 0o2070) return;
  await chown(path, -1, gid);
  if (info.isSymbolicLink()) return;
  await chmod(path, (info.mode & 0o7777) | (info.isDirectory() ? 0o2770 : 0o660));
  if (info.isDirectory()) for (const entry of await readdir(path)) await giveToGroup(join(path, entry), gid);
}
