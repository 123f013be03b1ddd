/** What nodes may ask for in the name of their pods: tokens of service accounts, certificates. */
import {
  aggregateMessage,
  type authenticationV1,
  CSIDriver,
  type certificatesV1beta1,
  csiDriverOf,
  errors,
  hasReason,
  type KubeObject,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  type Resource,
  ServiceAccount,
  type Volume,
} from '../../api/index.ts';
import type { AdmissionRequest } from '../request.ts';
import { readObject, type Storages } from '../storages.ts';
import { type AdmissionContext, refuse } from './context.ts';
import { mirrorAnnotation } from './mirror-pod.ts';

export async function admitToken(context: AdmissionContext, request: AdmissionRequest, node: string): Promise<void> {
  if (request.operation !== 'CREATE' || request.subresource !== 'token') return;
  const { audiences = [], boundObjectRef: ref } = (request.object as authenticationV1.TokenRequest).spec;
  if (ref?.kind !== 'Pod' || ref.apiVersion !== 'v1' || !ref.name) throw refuse(request, 'node requested token not bound to a pod');
  if (!ref.uid) throw refuse(request, 'node requested token with a pod binding without a uid');
  const pod = await readObject(context.storages, Pod, request.namespace, ref.name);
  if (pod === undefined) throw errors.notFound(Pod, ref.name);
  if (pod.metadata.uid !== ref.uid)
    throw refuse(
      request,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (pod.spec?.nodeName !== node) throw refuse(request, 'node requested token bound to a pod scheduled on a different node');
  if (context.isEnabled?.('ServiceAccountNodeAudienceRestriction') === false) return;
  if (audiences.length > 1) throw refuse(request, 'node may only request 0 or 1 audiences');
  const [audience = ''] = audiences;
  const missing: string[] = [];
  for (const volume of pod.spec.volumes ?? []) {
    try {
      if (await usesAudience(context, pod, volume, audience)) return;
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      missing.push(error.message);
    }
  }
  if (missing.length > 0) throw refuse(request, `error validating audience ${JSON.stringify(audience)}: ${aggregateMessage(missing)}`);
  const { decision } = await context.authorizer.authorize({
    user: request.user,
    verb: 'request-serviceaccounts-token-audience',
    isResourceRequest: true,
    apiGroup: '',
    apiVersion: 'v1',
    namespace: request.namespace,
    resource: audience,
    subresource: '',
    name: request.name,
    path: '',
  });
  if (decision === 'allow') return;
  const who = request.user.name;
  throw refuse(
    request,
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ${who} is not authorized to request tokens for this audience`,
  );
}

/** Whether a volume needs tokens for the audience: it says so, or its driver does. Throws where what it leads to is not there. */
async function usesAudience({ storages }: AdmissionContext, pod: Pod, volume: Volume, audience: string): Promise<boolean> {
  const isFor = (token: { audience?: string } | undefined) => token !== undefined && (token.audience ?? '') === audience;
  if (volume.projected?.sources?.some(({ serviceAccountToken }) => isFor(serviceAccountToken))) return true;
  const { namespace = '' } = pod.metadata;
  const claimName = volume.ephemeral?.volumeClaimTemplate ? `${pod.metadata.name}-${volume.name}` : volume.persistentVolumeClaim?.claimName;
  let source: Parameters<typeof csiDriverOf>[0] = volume;
  if (claimName !== undefined) {
    const claim = await existing(storages, PersistentVolumeClaim, namespace, claimName);
    source = (await existing(storages, PersistentVolume, '', claim.spec?.volumeName ?? '')).spec ?? {};
  }
  const driver = csiDriverOf(source);
  if (!driver) return false;
  const { spec } = await existing(storages, CSIDriver, '', driver);
  return spec.tokenRequests?.some(isFor) ?? false;
}

/** The object, or else what upstream's listers say, which know it by its kind. */
async function existing<T extends KubeObject>(storages: Storages, kind: Resource<T>, namespace: string, name: string): Promise<T> {
  const found = await readObject(storages, kind, namespace, name);
  if (found === undefined) throw errors.notFound({ group: kind.group, plural: kind.kind.toLowerCase() }, name);
  return found;
}

/** What may be but a cache that lags behind is no refusal. */
const inconsistent = errors.internal;

/** A node asks for certificates of pods that run on it, by the names and uids that they have now (KEP-4317). */
export async function admitPodCertificate({ storages }: AdmissionContext, request: AdmissionRequest, nodeName: string): Promise<void> {
  if (request.operation !== 'CREATE') throw refuse(request, `unexpected operation ${request.operation}`);
  if (request.subresource !== '') throw refuse(request, `unexpected subresource ${request.subresource}`);
  const { spec } = request.object as certificatesV1beta1.PodCertificateRequest;
  if (spec.nodeName !== nodeName)
    throw refuse(
      request,
      `PodCertificateRequest.Spec.NodeName=${JSON.stringify(spec.nodeName)}, which is not the requesting node ${JSON.stringify(nodeName)}`,
    );
  const name = JSON.stringify(`${request.namespace}/${spec.podName}`);
  const said = `PodCertificateRequest for pod ${name}`;
  const node = await readObject(storages, Node, '', nodeName);
  if (node === undefined) throw errors.notFound(Node, nodeName);
  if (node.metadata.uid !== spec.nodeUID)
    throw inconsistent(
      `${said} names node UID ${JSON.stringify(spec.nodeUID)}, inconsistent with the running node (${JSON.stringify(node.metadata.uid)})`,
    );
  const pod = await readObject(storages, Pod, request.namespace, spec.podName);
  if (pod === undefined) throw errors.notFound(Pod, spec.podName);
  if (pod.metadata.uid !== spec.podUID)
    throw inconsistent(
      `${said} contains pod UID (${JSON.stringify(spec.podUID)}) which differs from running pod ${JSON.stringify(pod.metadata.uid)}`,
    );
  if (pod.spec.nodeName !== nodeName)
    throw refuse(request, `pod ${name} is not running on node ${JSON.stringify(nodeName)} named in the PodCertificateRequest`);
  if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) throw refuse(request, `pod ${name} is a mirror pod`);
  if (pod.spec.serviceAccountName !== spec.serviceAccountName) {
    const [asked, own] = [spec.serviceAccountName, pod.spec.serviceAccountName ?? ''].map((account) => JSON.stringify(account));
    throw refuse(request, `${said} contains serviceAccountName (${asked}) that differs from running pod (${own})`);
  }
  const account = await readObject(storages, ServiceAccount, request.namespace, spec.serviceAccountName);
  if (account?.metadata.uid !== spec.serviceAccountUID) {
    const own = JSON.stringify(account?.metadata.uid ?? '');
    throw inconsistent(
      `${said} names service account UID ${JSON.stringify(spec.serviceAccountUID)}, which differs from the running service account (${own})`,
    );
  }
}
