import {
  type authenticationV1,
  type Eviction,
  errors,
  type Node,
  Node as Nodes,
  type Pod,
  Pod as Pods,
  semanticEqual,
} from '../../api/index.ts';
import { namesIn } from '../authorization/node/node-graph.ts';
import { nodeNameOf } from '../authorization/node/node-identity.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, refuse } from './context.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const restrictedDomain = 'node-restriction.kubernetes.io';

/** What a kubelet may say of itself among kubernetes.io and k8s.io labels. */
const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'node.kubernetes.io/windows-build',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
]);

/** Kubelets write their own Node, their own pods and leases, and nothing that would let them take over another's. */
export function nodeRestriction(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    handles: (r) => nodeNameOf(r.user) !== undefined,
    async admit(request) {
      const node = nodeNameOf(request.user) ?? '';
      if (node === '') throw refuse(request, `could not determine node from user ${JSON.stringify(request.user.name)}`);
      switch (`${request.group}/${request.resource}`) {
        case '/pods':
          return admitPod(context, request, node);
        case '/nodes':
          return admitNode(request, node);
        case '/persistentvolumeclaims':
          return admitClaim(request, node);
        case '/serviceaccounts':
          return admitToken(context, request, node);
        case 'coordination.k8s.io/leases':
          if (request.namespace !== 'kube-node-lease')
            throw refuse(request, 'can only access leases in the "kube-node-lease" system namespace');
          return mustBeOwn(request, node, 'lease');
        case 'storage.k8s.io/csinodes':
          return mustBeOwn(request, node, 'CSINode');
      }
    },
  };
}

function mustBeOwn(request: AdmissionRequest, node: string, kind: string): void {
  const name = request.operation === 'CREATE' ? request.object?.metadata.name : request.name;
  if (name !== node) throw refuse(request, `can only access ${kind} with the same name as the requesting node`);
}

async function admitPod(context: AdmissionContext, request: AdmissionRequest, node: string): Promise<void> {
  switch (request.subresource) {
    case '':
      if (request.operation === 'CREATE') return admitMirrorPod(context, request, node);
      if (request.operation === 'DELETE') {
        const pod = await readObject(context.storages, Pods, request.namespace, request.name);
        if (pod === undefined) throw errors.notFound(Pods, request.name);
        if (pod.spec?.nodeName !== node)
          throw refuse(request, `node ${JSON.stringify(node)} can only delete pods with spec.nodeName set to itself`);
        return;
      }
      throw refuse(
        request,
        `unexpected operation ${JSON.stringify(request.operation)}, node ${JSON.stringify(node)} can only create and delete mirror pods`,
      );
    case 'status': {
      if (request.operation !== 'UPDATE') throw refuse(request, `unexpected operation ${JSON.stringify(request.operation)}`);
      const before = request.oldObject as Pod;
      const next = request.object as Pod;
      if (before.spec?.nodeName !== node)
        throw refuse(request, `node ${JSON.stringify(node)} can only update pod status for pods with spec.nodeName set to itself`);
      if (!semanticEqual(before.metadata.labels ?? {}, next.metadata.labels ?? {}))
        throw refuse(request, `node ${JSON.stringify(node)} cannot update labels through pod status`);
      return;
    }
    case 'eviction': {
      if (request.operation !== 'CREATE') throw refuse(request, `unexpected operation ${JSON.stringify(request.operation)}`);
      const name = request.name || ((request.object as Eviction | undefined)?.metadata?.name ?? '');
      const pod = await readObject(context.storages, Pods, request.namespace, name);
      if (pod === undefined) throw errors.notFound(Pods, name);
      if (pod.spec?.nodeName !== node)
        throw refuse(request, `node ${JSON.stringify(node)} can only evict pods with spec.nodeName set to itself`);
      return;
    }
    default:
      throw refuse(request, `unexpected pod subresource ${JSON.stringify(request.subresource)}, only 'status' and 'eviction' are allowed`);
  }
}

async function admitMirrorPod(context: AdmissionContext, request: AdmissionRequest, node: string): Promise<void> {
  const pod = request.object as Pod;
  if (pod.metadata.annotations?.[mirrorAnnotation] === undefined)
    throw refuse(
      request,
      `pod does not have ${JSON.stringify(mirrorAnnotation)} annotation, node ${JSON.stringify(node)} can only create mirror pods`,
    );
  if (pod.spec?.nodeName !== node)
    throw refuse(request, `node ${JSON.stringify(node)} can only create pods with spec.nodeName set to itself`);
  const owners = pod.metadata.ownerReferences ?? [];
  if (owners.length > 1)
    throw refuse(request, `node ${JSON.stringify(node)} can only create pods with a single owner reference set to itself`);
  const owner = owners[0];
  if (owner !== undefined) {
    if (owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
      throw refuse(request, `node ${JSON.stringify(node)} can only create pods with an owner reference set to itself`);
    if (owner.controller !== true)
      throw refuse(request, `node ${JSON.stringify(node)} can only create pods with a controller owner reference set to itself`);
    if (owner.blockOwnerDeletion === true)
      throw refuse(request, `node ${JSON.stringify(node)} must not set blockOwnerDeletion on an owner reference`);
    const live = await readObject(context.storages, Nodes, '', node);
    if (live?.metadata.uid !== owner.uid)
      throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${live?.metadata.uid ?? ''}`);
  }
  if (pod.spec.serviceAccountName)
    throw refuse(request, `node ${JSON.stringify(node)} can not create pods that reference a service account`);
  const plural = {
    secret: 'secrets',
    configmap: 'configmaps',
    persistentvolumeclaim: 'persistentvolumeclaims',
    resourceclaim: 'resourceclaims',
  };
  for (const [kind] of namesIn(pod.spec))
    throw refuse(request, `node ${JSON.stringify(node)} can not create pods that reference ${plural[kind]}`);
  if (pod.spec.volumes?.some((v) => v.projected?.sources?.some((s) => s.serviceAccountToken)))
    throw refuse(request, `node ${JSON.stringify(node)} can not create pods that reference a service account`);
}

function admitNode(request: AdmissionRequest, node: string): void {
  const name = request.operation === 'CREATE' ? (request.object?.metadata.name ?? '') : request.name;
  if (name !== node) throw refuse(request, `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(name)}`);
  if (request.operation === 'DELETE') throw refuse(request, `node ${JSON.stringify(node)} is not allowed to delete itself`);
  const next = request.object as Node;
  const before = request.oldObject as Node | undefined;
  if (next.spec?.configSource !== undefined && !semanticEqual(next.spec.configSource, before?.spec?.configSource))
    throw refuse(
      request,
      `node ${JSON.stringify(node)} is not allowed to ${before === undefined ? 'create pods with' : 'update configSource to'} a new non-nil configSource`,
    );
  if (before !== undefined) {
    if (!semanticEqual(next.spec?.taints ?? [], before.spec?.taints ?? []))
      throw refuse(request, `node ${JSON.stringify(node)} is not allowed to modify taints`);
    if (!semanticEqual(next.metadata.ownerReferences ?? [], before.metadata.ownerReferences ?? []))
      throw refuse(request, `node ${JSON.stringify(node)} is not allowed to modify ownerReferences`);
  } else if (next.metadata.ownerReferences?.length)
    throw refuse(request, `node ${JSON.stringify(node)} is not allowed to set ownerReferences`);
  const forbidden = changedLabels(next, before).filter(isForbiddenLabel).sort();
  if (forbidden.length > 0)
    throw refuse(
      request,
      `is not allowed to ${before === undefined ? 'set the following labels' : 'modify labels'}: ${forbidden.join(', ')}`,
    );
}

function changedLabels(next: Node, before: Node | undefined): string[] {
  const after = next.metadata.labels ?? {};
  const prior = before?.metadata.labels ?? {};
  return [...new Set([...Object.keys(after), ...Object.keys(prior)])].filter((key) => after[key] !== prior[key]);
}

function isForbiddenLabel(key: string): boolean {
  const at = key.indexOf('/');
  if (at < 0) return false;
  const domain = key.slice(0, at);
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  if (within(restrictedDomain)) return true;
  if (!within('kubernetes.io') && !within('k8s.io')) return false;
  return !ownLabels.has(key) && !within('kubelet.kubernetes.io') && !within('node.kubernetes.io');
}

function admitClaim(request: AdmissionRequest, node: string): void {
  if (request.subresource !== 'status') throw refuse(request, `may only update PVC status`);
  if (request.operation !== 'UPDATE') throw refuse(request, `unexpected operation ${JSON.stringify(request.operation)}`);
  const strip = (object: AdmissionRequest['object']) => {
    const { status: _, metadata, ...rest } = object as unknown as Record<string, unknown> & { metadata: Record<string, unknown> };
    const { managedFields: __, resourceVersion: ___, ...meta } = metadata;
    return { ...rest, metadata: meta };
  };
  if (!semanticEqual(strip(request.object), strip(request.oldObject)))
    throw refuse(request, `node ${JSON.stringify(node)} is not allowed to update fields other than status.quantity and status.conditions`);
}

async function admitToken(context: AdmissionContext, request: AdmissionRequest, node: string): Promise<void> {
  if (request.operation !== 'CREATE' || request.subresource !== 'token') return;
  const ref = (request.object as authenticationV1.TokenRequest | undefined)?.spec.boundObjectRef;
  if (ref === undefined || ref.kind !== 'Pod' || (ref.apiVersion ?? 'v1') !== 'v1' || !ref.name)
    throw refuse(request, 'node requested token not bound to a pod');
  if (!ref.uid) throw refuse(request, 'node requested token with a pod binding without a uid');
  const pod = await readObject(context.storages, Pods, request.namespace, ref.name);
  if (pod === undefined) throw errors.notFound(Pods, ref.name);
  if (pod.metadata.uid !== ref.uid)
    throw refuse(
      request,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (pod.spec?.nodeName !== node) throw refuse(request, 'node requested token bound to a pod scheduled on a different node');
}
