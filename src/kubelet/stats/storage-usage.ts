/** What pods take of the node's disk: containers' writable layers and logs, emptyDirs. */
import { dirname, join } from 'node:path';
import type { Pod } from '../../api/index.ts';
import type { Runtime } from '../../runtime/index.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import { uidOf } from '../pod/identity.ts';
import { containerLogPath, type Paths } from '../pod/paths.ts';
import { emptyDirPlugin } from '../volumes/volume-manager.ts';
import { diskUsage } from './disk-usage.ts';

/** Bytes on disk of a pod's parts. */
export interface StorageUsage {
  containers: ReadonlyMap<string, { layer: number; logs: number }>;
  /** By volume; those in memory too. */
  emptyDirs: ReadonlyMap<string, number>;
}

/** Writable layers in bytes, by pod and container. */
export async function writableLayers(runtime: Pick<Runtime, 'listContainerStats'>): Promise<Map<string, Map<string, number>>> {
  const { stats = [] } = await runtime.listContainerStats({});
  const byPod = new Map<string, Map<string, number>>();
  for (const { attributes, writableLayer } of stats) {
    const { [podUidLabel]: uid = '', [containerNameLabel]: name = '' } = attributes?.labels ?? {};
    const own = byPod.get(uid) ?? new Map<string, number>();
    byPod.set(uid, own.set(name, (own.get(name) ?? 0) + Number(writableLayer?.usedBytes?.value ?? 0)));
  }
  return byPod;
}

/** Measures a pod; `layers`: its containers' writable layers. */
export async function storageUsage(pod: Pod, layers: ReadonlyMap<string, number> | undefined, paths: Paths): Promise<StorageUsage> {
  const logs = (container: string) => diskUsage(join(paths.podLogs(pod), dirname(containerLogPath(container, 0))));
  const volume = (name: string) => diskUsage(paths.volume(uidOf(pod), emptyDirPlugin, name));
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const emptyDirs = (pod.spec.volumes ?? []).filter((v) => v.emptyDir);
  const [ofContainers, ofVolumes] = await Promise.all([
    Promise.all(containers.map(async ({ name }) => [name, { layer: layers?.get(name) ?? 0, logs: await logs(name) }] as const)),
    Promise.all(emptyDirs.map(async ({ name }) => [name, await volume(name)] as const)),
  ]);
  return { containers: new Map(ofContainers), emptyDirs: new Map(ofVolumes) };
}

const sum = (parts: readonly number[]) => parts.reduce((total, bytes) => total + bytes, 0);

/** What containers use, each with its logs. */
export const containerBytes = ({ containers }: StorageUsage): Map<string, number> =>
  new Map([...containers].map(([name, { layer, logs }]) => [name, layer + logs]));

/** All that counts against the pod: what is in memory does not. */
export function totalBytes(pod: Pod, usage: StorageUsage): number {
  const onDisk = (pod.spec.volumes ?? []).filter((v) => v.emptyDir && v.emptyDir.medium !== 'Memory');
  return sum([...containerBytes(usage).values(), ...onDisk.map(({ name }) => usage.emptyDirs.get(name) ?? 0)]);
}
