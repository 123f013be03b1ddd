/** Makes the claims of pods' generic ephemeral volumes (KEP-1698): each belongs to its pod and goes with it. */
import { PersistentVolumeClaim, Pod, type Pod as PodType, type Volume } from '../../api/index.ts';
import { controllerOf, controllerRef, keyOf } from '../../client/index.ts';
import { defineController, isNamespaceTerminating, messageOf } from '../framework/index.ts';

const claimName = (pod: PodType, volume: Volume) => `${pod.metadata.name}-${volume.name}`;

export const ephemeralVolumeController = defineController(
  'ephemeral-volume-controller',
  ({ client, informers, recorder }, queue) => {
    const pods = informers.for(Pod);
    const claims = informers.for(PersistentVolumeClaim);
    const events = recorder('ephemeral_volume');
    pods.addHandler({
      add: (pod) => {
        if (!pod.metadata.deletionTimestamp && pod.spec.volumes?.some((v) => v.ephemeral)) queue.add(keyOf(pod));
      },
    });
    claims.addHandler({
      // Whether by mistake or not: the pod cannot run without it.
      delete: (claim) => {
        const owner = controllerOf(claim);
        if (owner?.kind === 'Pod') queue.add(keyOf({ metadata: { ...claim.metadata, name: owner.name } }));
      },
    });

    const makeClaim = async (pod: PodType, volume: Volume, signal: AbortSignal): Promise<void> => {
      const { namespace } = pod.metadata;
      const name = claimName(pod, volume);
      const present = claims.lister.get(name, namespace);
      if (present) {
        if (controllerOf(present)?.uid === pod.metadata.uid) return;
        throw new Error(`PVC ${namespace}/${name} was not created for pod ${keyOf(pod)} (pod is not owner)`);
      }
      const { metadata: { annotations, labels } = {}, spec = {} } = volume.ephemeral?.volumeClaimTemplate ?? {};
      const metadata = {
        name,
        ...(namespace ? { namespace } : {}),
        ...(annotations ? { annotations } : {}),
        ...(labels ? { labels } : {}),
        ownerReferences: [controllerRef(pod, Pod)],
      };
      const draft = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec };
      await client.create(PersistentVolumeClaim, draft, { namespace, signal }).catch((error: unknown) => {
        throw new Error(`create PVC ${name}: ${messageOf(error)}`, { cause: error });
      });
    };

    return {
      informers: [pods, claims],
      async reconcile(key, signal) {
        const pod = pods.lister.getByKey(key);
        if (!pod || pod.metadata.deletionTimestamp) return;
        for (const volume of pod.spec.volumes ?? []) {
          if (!volume.ephemeral) continue;
          try {
            await makeClaim(pod, volume, signal);
          } catch (error) {
            if (signal.aborted || isNamespaceTerminating(error instanceof Error ? error.cause : error)) throw error;
            events.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${messageOf(error)}`);
            throw error;
          }
        }
      },
    };
  },
  { queueName: 'ephemeral_volume' },
);
