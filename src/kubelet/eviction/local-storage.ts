/** Pods that use more of the node's disk than their limits allow: of an emptyDir, of the whole pod, of one container (upstream's eviction manager). */
import { dirname, join } from 'node:path';
import { formatQuantity, type Pod, podLimits, quantityValue } from '../../api/index.ts';
import type { cri, Runtime } from '../../runtime/index.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import { uidOf } from '../pod/identity.ts';
import { containerLogPath, type Paths } from '../pod/paths.ts';
import { diskUsage } from '../stats/disk-usage.ts';
import { emptyDirPlugin } from '../volumes/volume-manager.ts';

const resource = 'ephemeral-storage';

/** Bytes on disk of a pod's parts. */
export interface StorageUsage {
  /** Writable layer and logs, by container. */
  containers: ReadonlyMap<string, number>;
  /** By volume. */
  emptyDirs: ReadonlyMap<string, number>;
}

const emptyDirs = ({ spec }: Pod) => (spec.volumes ?? []).filter((v) => v.emptyDir);
const allContainers = ({ spec }: Pod) => [...(spec.initContainers ?? []), ...spec.containers];
const inMemory = (volume: { emptyDir?: { medium?: string } }) => volume.emptyDir?.medium === 'Memory';

/** Whether anything limits what the pod may use: only then is it worth measuring. */
export function hasStorageLimits(pod: Pod): boolean {
  return emptyDirs(pod).some((v) => v.emptyDir?.sizeLimit) || allContainers(pod).some((c) => c.resources?.limits?.[resource]);
}

/** Which limit the pod exceeds, in upstream's words; undefined where none. */
export function exceededStorage(pod: Pod, usage: StorageUsage): string | undefined {
  for (const { name, emptyDir } of emptyDirs(pod)) {
    const limit = emptyDir?.sizeLimit;
    if (limit && quantityValue(limit) > 0 && (usage.emptyDirs.get(name) ?? 0) > quantityValue(limit))
      return `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(limit)}. `;
  }
  const total = podLimits(pod.spec).get(resource);
  if (total && quantityValue(total) > 0) {
    const onDisk = emptyDirs(pod).filter((v) => !inMemory(v));
    const used = [...usage.containers.values(), ...onDisk.map((v) => usage.emptyDirs.get(v.name) ?? 0)].reduce((sum, n) => sum + n, 0);
    if (used > quantityValue(total))
      return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatQuantity(total)}. `;
  }
  for (const { name, resources } of allContainers(pod)) {
    const limit = resources?.limits?.[resource];
    if (limit && (usage.containers.get(name) ?? 0) > quantityValue(limit))
      return `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `;
  }
  return undefined;
}

/** Writable layers in bytes, by pod and container. */
export async function writableLayers(runtime: Pick<Runtime, 'listContainerStats'>): Promise<Map<string, Map<string, number>>> {
  const { stats = [] } = await runtime.listContainerStats({});
  const byPod = new Map<string, Map<string, number>>();
  for (const { attributes, writableLayer } of stats) {
    const uid = attributes?.labels?.[podUidLabel] ?? '';
    const own = byPod.get(uid) ?? new Map<string, number>();
    own.set(nameOf(attributes), Number(writableLayer?.usedBytes?.value ?? 0));
    byPod.set(uid, own);
  }
  return byPod;
}

const nameOf = (attributes: cri.ContainerAttributes | undefined) => attributes?.labels?.[containerNameLabel] ?? '';

/** Measures a pod. */
export async function storageUsage(pod: Pod, layers: ReadonlyMap<string, number>, paths: Paths): Promise<StorageUsage> {
  const logs = (container: string) => diskUsage(join(paths.podLogs(pod), dirname(containerLogPath(container, 0))));
  const volume = (name: string) => diskUsage(paths.volume(uidOf(pod), emptyDirPlugin, name));
  const [containers, volumes] = await Promise.all([
    Promise.all(allContainers(pod).map(async ({ name }) => [name, (layers.get(name) ?? 0) + (await logs(name))] as const)),
    Promise.all(emptyDirs(pod).map(async ({ name }) => [name, await volume(name)] as const)),
  ]);
  return { containers: new Map(containers), emptyDirs: new Map(volumes) };
}
