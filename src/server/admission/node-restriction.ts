import {
  type CertificateSigningRequest,
  type Eviction,
  errors,
  type Node,
  type PersistentVolumeClaim,
  type Pod,
  Pod as Pods,
  type ResourceSlice,
  semanticEqual,
} from '../../api/index.ts';
import { parseSigningRequest } from '../../pki/index.ts';
import { nodeNameOf } from '../authorization/node/node-identity.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, refuse } from './context.ts';
import { admitMirrorPod } from './mirror-pod.ts';
import { admitPodCertificate, admitToken } from './node-credentials.ts';

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
          return mustBeOwn(request, node, 'node lease');
        case 'storage.k8s.io/csinodes':
          return mustBeOwn(request, node, 'CSINode');
        case 'resource.k8s.io/resourceslices':
          return admitSlice(request, node);
        case 'certificates.k8s.io/certificatesigningrequests':
          return admitSigningRequest(request, node);
        case 'certificates.k8s.io/podcertificaterequests':
          return admitPodCertificate(context, request, node);
      }
    },
  };
}

function mustBeOwn(request: AdmissionRequest, node: string, kind: string): void {
  const name = request.operation === 'CREATE' ? request.object?.metadata.name : request.name;
  if (name !== node) throw refuse(request, `can only access ${kind} with the same name as the requesting node`);
}

const claimsOf = ({ status }: Pod) => status?.resourceClaimStatuses ?? [];

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
      if (!semanticEqual(claimsOf(before), claimsOf(next)))
        throw refuse(request, `node ${JSON.stringify(node)} cannot update resource claim statues`);
      if (!semanticEqual(before.status?.extendedResourceClaimStatus, next.status?.extendedResourceClaimStatus))
        throw refuse(request, `node ${JSON.stringify(node)} cannot update extended resource claim status`);
      return;
    }
    case 'eviction': {
      if (request.operation !== 'CREATE') throw refuse(request, `unexpected operation ${JSON.stringify(request.operation)}`);
      const name = request.name || ((request.object as Eviction | undefined)?.metadata?.name ?? '');
      const pod = await readObject(context.storages, Pods, request.namespace, name);
      if (pod === undefined) throw errors.notFound(Pods, name);
      if (pod.spec?.nodeName !== node) throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
      return;
    }
    default:
      throw refuse(request, `unexpected pod subresource ${JSON.stringify(request.subresource)}, only 'status' and 'eviction' are allowed`);
  }
}

function admitNode(request: AdmissionRequest, node: string): void {
  const name = request.operation === 'CREATE' ? (request.object?.metadata.name ?? '') : request.name;
  if (name !== node) throw refuse(request, `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(name)}`);
  if (request.operation === 'DELETE') return;
  const next = request.object as Node;
  const before = request.oldObject as Node | undefined;
  if (next.spec?.configSource !== undefined && !semanticEqual(next.spec.configSource, before?.spec?.configSource))
    throw refuse(
      request,
      `node ${JSON.stringify(node)} is not allowed to ${before === undefined ? 'create pods with a' : 'update configSource to a new'} non-nil configSource`,
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
      before === undefined
        ? `node ${JSON.stringify(node)} is not allowed to set the following labels: ${forbidden.join(', ')}`
        : `is not allowed to modify labels: ${forbidden.join(', ')}`,
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
    const { status = {}, metadata, ...rest } = object as PersistentVolumeClaim;
    const { managedFields: _, resourceVersion: __, ...meta } = metadata;
    const { capacity: _a, conditions: _b, allocatedResources: _c, allocatedResourceStatuses: _d, ...kept } = status;
    return { ...rest, metadata: meta, status: kept };
  };
  if (!semanticEqual(strip(request.object), strip(request.oldObject)))
    throw refuse(request, `node ${JSON.stringify(node)} is not allowed to update fields other than status.quantity and status.conditions`);
}

/** Updates are for the authorizer to refuse; it does not know what is made, nor each that a deletion of many deletes. */
function admitSlice(request: AdmissionRequest, node: string): void {
  const verb = { CREATE: 'create', DELETE: 'delete' }[request.operation as string];
  const slice = (request.operation === 'DELETE' ? request.oldObject : request.object) as ResourceSlice | undefined;
  if (verb && (slice?.spec.nodeName ?? '') !== node)
    throw refuse(request, `can only ${verb} ResourceSlice with the same NodeName as the requesting node`);
}

const kubeletSigners = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet'];

async function admitSigningRequest(request: AdmissionRequest, node: string): Promise<void> {
  if (request.operation !== 'CREATE') return;
  const { signerName, request: encoded } = (request.object as CertificateSigningRequest).spec;
  if (!kubeletSigners.includes(signerName)) return;
  const { commonName } = await parseSigningRequest(atob(encoded)).catch((error: Error) => {
    throw refuse(request, `unable to parse csr: ${error.message}`);
  });
  if (commonName !== `system:node:${node}`) throw refuse(request, `can only create a node CSR with CN=system:node:${node}`);
}
