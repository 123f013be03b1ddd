/** Pods that use more of the node's disk than their limits allow: of an emptyDir, of the whole pod, of one container (upstream's eviction manager). */
import { formatQuantity, type Pod, podLimits, quantityValue } from '../../api/index.ts';
import { containerBytes, type StorageUsage, totalBytes } from '../stats/storage-usage.ts';

const resource = 'ephemeral-storage';

const emptyDirs = ({ spec }: Pod) => (spec.volumes ?? []).filter((v) => v.emptyDir);
const allContainers = ({ spec }: Pod) => [...(spec.initContainers ?? []), ...spec.containers];

/** Whether anything limits what the pod may use: only then is it worth measuring. */
export function hasStorageLimits(pod: Pod): boolean {
  return emptyDirs(pod).some((v) => v.emptyDir?.sizeLimit) || allContainers(pod).some((c) => c.resources?.limits?.[resource]);
}

export interface ExceededLimit {
  /** As upstream's metric names it. */
  limit: 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit';
  /** In upstream's words. */
  message: string;
}

/** Which limit the pod exceeds; undefined where none. */
export function exceededStorage(pod: Pod, usage: StorageUsage): ExceededLimit | undefined {
  for (const { name, emptyDir } of emptyDirs(pod)) {
    const limit = emptyDir?.sizeLimit;
    if (limit && quantityValue(limit) > 0 && (usage.emptyDirs.get(name) ?? 0) > quantityValue(limit))
      return {
        limit: 'emptydirfs.limit',
        message: `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(limit)}. `,
      };
  }
  const total = podLimits(pod.spec).get(resource);
  if (total && quantityValue(total) > 0 && totalBytes(pod, usage) > quantityValue(total))
    return {
      limit: 'ephemeralpodfs.limit',
      message: `Pod ephemeral local storage usage exceeds the total limit of containers ${formatQuantity(total)}. `,
    };
  const used = containerBytes(usage);
  for (const { name, resources } of allContainers(pod)) {
    const limit = resources?.limits?.[resource];
    if (limit && (used.get(name) ?? 0) > quantityValue(limit))
      return {
        limit: 'ephemeralcontainerfs.limit',
        message: `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `,
      };
  }
  return undefined;
}
