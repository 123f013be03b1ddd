import { Node, namesInPod, type Pod } from '../../api/index.ts';
import type { Related } from '../authorization/node/node-graph.ts';
import type { AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, refuse } from './context.ts';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';

const plurals: Partial<Record<Related, string>> = { secret: 'secrets', configmap: 'configmaps' };

/** The first kind of object that a pod leads its node to, if any. */
function firstReference({ spec }: Pod): string | undefined {
  if (spec.serviceAccountName) return 'serviceaccounts';
  const named = [...namesInPod(spec)].map(([kind]) => plurals[kind]);
  for (const plural of Object.values(plurals)) if (named.includes(plural)) return plural;
  if (spec.resourceClaims?.length) return 'resourceclaims';
  for (const { persistentVolumeClaim, ephemeral, projected } of spec.volumes ?? []) {
    if (persistentVolumeClaim || ephemeral) return 'persistentvolumeclaims';
    for (const source of projected?.sources ?? []) {
      if (source.serviceAccountToken) return 'serviceaccounts';
      if (source.clusterTrustBundle) return 'clustertrustbundles';
      if (source.podCertificate) return 'podcertificates';
    }
  }
  return undefined;
}

/** Kubelets make pods only to show what they run of their own accord: on themselves, owned by themselves, that leads nowhere. */
export async function admitMirrorPod(context: AdmissionContext, request: AdmissionRequest, node: string): Promise<void> {
  const pod = request.object as Pod;
  const own = `node ${JSON.stringify(node)} can only create pods with`;
  if (pod.metadata.annotations?.[mirrorAnnotation] === undefined)
    throw refuse(
      request,
      `pod does not have ${JSON.stringify(mirrorAnnotation)} annotation, node ${JSON.stringify(node)} can only create mirror pods`,
    );
  if (pod.spec?.nodeName !== node) throw refuse(request, `${own} spec.nodeName set to itself`);
  const [owner, ...others] = pod.metadata.ownerReferences ?? [];
  if (others.length > 0) throw refuse(request, `${own} a single owner reference set to itself`);
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    throw refuse(request, `${own} an owner reference set to itself`);
  if (owner.controller !== true) throw refuse(request, `${own} a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion === true)
    throw refuse(request, `node ${JSON.stringify(node)} must not set blockOwnerDeletion on an owner reference`);
  const live = await readObject(context.storages, Node, '', node);
  if (live?.metadata.uid !== owner.uid)
    throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${live?.metadata.uid ?? ''}`);
  const reference = firstReference(pod);
  if (reference !== undefined) throw refuse(request, `node ${JSON.stringify(node)} can not create pods that reference ${reference}`);
}
