/** Claims that pods use, and volumes that claims use, stay until nobody does. */
import { isPodTerminal, PersistentVolume, PersistentVolumeClaim, Pod, type Pod as PodType } from '../../api/index.ts';
import { keyOf } from '../../client/index.ts';
import { defineController } from '../framework/index.ts';

const claimFinalizer = 'kubernetes.io/pvc-protection';
const volumeFinalizer = 'kubernetes.io/pv-protection';
const claimIndex = 'claims';

/** The claims of a pod, those of its generic ephemeral volumes among them. */
function claimsOf({ metadata, spec }: PodType): string[] {
  return (spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) =>
    persistentVolumeClaim ? [persistentVolumeClaim.claimName] : ephemeral ? [`${metadata.name}-${name}`] : [],
  );
}

export const claimProtectionController = defineController('persistentvolumeclaim-protection-controller', ({ client, informers }, queue) => {
  const claims = informers.for(PersistentVolumeClaim);
  const pods = informers.for(Pod);
  pods.addIndex(claimIndex, (pod) => claimsOf(pod).map((name) => `${pod.metadata.namespace}/${name}`));
  const enqueue = (claim: PersistentVolumeClaim) => {
    if (Boolean(claim.metadata.deletionTimestamp) === (claim.metadata.finalizers?.includes(claimFinalizer) ?? false))
      queue.add(keyOf(claim));
  };
  claims.addHandler({ add: enqueue, update: enqueue });
  const freed = (pod: PodType) => {
    for (const name of claimsOf(pod)) queue.add(`${pod.metadata.namespace}/${name}`);
  };
  pods.addHandler({
    update: (pod) => {
      if (isPodTerminal(pod)) freed(pod);
    },
    delete: freed,
  });
  return {
    informers: [claims, pods],
    async reconcile(key, signal) {
      const claim = claims.lister.getByKey(key);
      if (!claim) return;
      const { deletionTimestamp, finalizers = [] } = claim.metadata;
      const has = finalizers.includes(claimFinalizer);
      const write = (next: string[]) =>
        client.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, finalizers: next } }, { signal });
      if (!deletionTimestamp && !has) await write([...finalizers, claimFinalizer]);
      // A pod without a node does not use it, and may not be started with a claim that is going.
      const used = pods.lister.byIndex(claimIndex, key).some((pod) => pod.spec.nodeName && !isPodTerminal(pod));
      if (deletionTimestamp && has && !used) await write(finalizers.filter((f) => f !== claimFinalizer));
    },
  };
});

export const volumeProtectionController = defineController('persistentvolume-protection-controller', ({ client, informers }, queue) => {
  const volumes = informers.for(PersistentVolume);
  const enqueue = (volume: PersistentVolume) => queue.add(volume.metadata.name);
  volumes.addHandler({ add: enqueue, update: enqueue });
  return {
    informers: [volumes],
    async reconcile(name, signal) {
      const volume = volumes.lister.get(name);
      if (!volume) return;
      const { deletionTimestamp, finalizers = [] } = volume.metadata;
      const has = finalizers.includes(volumeFinalizer);
      const write = (next: string[]) =>
        client.update(PersistentVolume, { ...volume, metadata: { ...volume.metadata, finalizers: next } }, { signal });
      if (!deletionTimestamp && !has) await write([...finalizers, volumeFinalizer]);
      if (deletionTimestamp && has && volume.status?.phase !== 'Bound') await write(finalizers.filter((f) => f !== volumeFinalizer));
    },
  };
});
