/** Mirror pods: the API's pictures of static pods, made so that people can see them, and worth nothing otherwise. */
import { hasReason, Pod } from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import { configHash, configMirror, podKey } from '../pod/identity.ts';

export interface MirrorPods {
  /** Makes the API show this static pod and no older one. `mirror`: what it shows now. */
  ensure(pod: Pod, mirror: Pod | undefined): Promise<void>;
  remove(mirror: Pod): Promise<void>;
}

export function mirrorPods(
  { client, logger }: Pick<KubeletContext, 'client' | 'logger'>,
  nodeUid: () => { name: string; uid: string } | undefined,
): MirrorPods {
  async function remove(mirror: Pod): Promise<void> {
    const { namespace, name = '', uid } = mirror.metadata;
    await client.delete(Pod, name, { namespace, gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) }).catch((error) => {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    });
  }
  return {
    remove,
    async ensure(pod, mirror) {
      const hash = pod.metadata.annotations?.[configHash] ?? '';
      if (mirror) {
        if (mirror.metadata.annotations?.[configMirror] === hash && !mirror.metadata.deletionTimestamp) return;
        await remove(mirror);
      }
      const { uid: _uid, resourceVersion: _version, creationTimestamp: _created, ...metadata } = pod.metadata;
      const node = nodeUid();
      try {
        await client.create(
          Pod,
          {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: {
              ...metadata,
              annotations: { ...metadata.annotations, [configMirror]: hash },
              ...(node ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid, controller: true }] } : {}),
            },
            spec: pod.spec,
          },
          { namespace: pod.metadata.namespace },
        );
      } catch (error) {
        if (!hasReason(error, 'AlreadyExists'))
          logger.error({ err: error, pod: podKey(pod) }, 'Failed creating a mirror pod for static pod');
      }
    },
  };
}
