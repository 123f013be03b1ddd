import {
  CSIDriver,
  CSIStorageCapacity,
  compareQuantities,
  type PersistentVolumeClaim,
  type StorageClass,
  selectorFromObject,
} from '../../../api/index.ts';
import type { SharedInformerFactory } from '../../../client/index.ts';
import type { NodeInfo } from '../../cache/node-info.ts';

export type Provisioning = 'possible' | 'impossible' | 'no-space';

/** Whether a claim's volume can be made for a node: the class serves its topology, and its driver has room there (KEP-1472). */
export function provisioningOn(
  informers: SharedInformerFactory,
): (claim: PersistentVolumeClaim, storageClass: StorageClass | undefined, node: NodeInfo) => Provisioning {
  const drivers = informers.for(CSIDriver).lister;
  const capacities = informers.for(CSIStorageCapacity).lister;
  const hasRoom = (claim: PersistentVolumeClaim, { metadata, provisioner }: StorageClass, node: NodeInfo): boolean => {
    // Drivers that say nothing of their capacity are trusted to have it.
    if (!drivers.get(provisioner)?.spec.storageCapacity) return true;
    const wanted = claim.spec?.resources?.requests?.storage ?? '0';
    return capacities.list().some(({ storageClassName, capacity, maximumVolumeSize, nodeTopology }) => {
      const limit = maximumVolumeSize ?? capacity;
      if (storageClassName !== metadata.name || limit === undefined || compareQuantities(limit, wanted) < 0) return false;
      return nodeTopology !== undefined && selectorFromObject(nodeTopology).matches(node.labels);
    });
  };
  return (claim, storageClass, node) => {
    if (!storageClass?.provisioner || storageClass.provisioner === 'kubernetes.io/no-provisioner') return 'impossible';
    const terms = storageClass.allowedTopologies ?? [];
    const reaches = terms.some((term) => (term.matchLabelExpressions ?? []).every((e) => e.values.includes(node.labels[e.key] ?? '')));
    if (terms.length > 0 && !reaches) return 'impossible';
    return hasRoom(claim, storageClass, node) ? 'possible' : 'no-space';
  };
}
