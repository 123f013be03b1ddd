import { type CertificateSigningRequest, type certificatesV1beta1, semanticEqual } from '../../api/index.ts';
import { parseSigningRequest } from '../../pki/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { type AdmissionContext, changesOnlyOwnership, isCreate, isOn, isUpdate, refuse } from './context.ts';

const isCsr = (r: AdmissionRequest, subresource: string) =>
  r.group === 'certificates.k8s.io' && r.resource === 'certificatesigningrequests' && r.subresource === subresource;

async function maySign(context: AdmissionContext, request: AdmissionRequest, verb: string, signer: string): Promise<boolean> {
  const wildcard = `${signer.slice(0, signer.lastIndexOf('/'))}/*`;
  for (const name of [signer, wildcard]) {
    const decision = await context.authorizer.authorize({
      user: request.user,
      verb,
      isResourceRequest: true,
      apiGroup: 'certificates.k8s.io',
      apiVersion: '*',
      namespace: '',
      resource: 'signers',
      subresource: '',
      name,
      path: '',
    });
    if (decision.decision === 'allow') return true;
  }
  return false;
}

export function certificateApproval(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: (r) => isCsr(r, 'approval') && isUpdate(r),
    async validate(request) {
      const signer = (request.oldObject as CertificateSigningRequest).spec.signerName;
      if (!(await maySign(context, request, 'approve', signer)))
        throw refuse(request, `user not permitted to approve requests with signerName ${JSON.stringify(signer)}`);
    },
  };
}

export function certificateSigning(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: (r) => isCsr(r, 'status') && isUpdate(r),
    async validate(request) {
      const before = request.oldObject as CertificateSigningRequest;
      const next = request.object as CertificateSigningRequest;
      const signed = ({ status }: CertificateSigningRequest) => [status?.certificate ?? '', status?.conditions ?? []];
      if (semanticEqual(signed(before), signed(next))) return;
      const signer = before.spec.signerName;
      if (!(await maySign(context, request, 'sign', signer)))
        throw refuse(request, `user not permitted to sign requests with signerName ${JSON.stringify(signer)}`);
    },
  };
}

/** Who publishes the anchors of a signer must be allowed to speak for it. */
export function clusterTrustBundleAttest(context: AdmissionContext): AdmissionPlugin {
  return {
    name: 'ClusterTrustBundleAttest',
    handles: (r) => isOn(r, 'clustertrustbundles', 'certificates.k8s.io') && (isCreate(r) || isUpdate(r)),
    async validate(request) {
      const signer = (request.object as certificatesV1beta1.ClusterTrustBundle).spec.signerName ?? '';
      if (isUpdate(request) && changesOnlyOwnership(request)) return;
      if (signer !== '' && !(await maySign(context, request, 'attest', signer)))
        throw refuse(request, `user not permitted to attest for signerName ${JSON.stringify(signer)}`);
    },
  };
}

/** Nobody gets a client certificate for system:masters through the API. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (r) => isCsr(r, '') && isCreate(r),
  async validate(request) {
    const csr = request.object as CertificateSigningRequest;
    if (csr.spec.signerName !== 'kubernetes.io/kube-apiserver-client') return;
    const parsed = await parseSigningRequest(Buffer.from(csr.spec.request ?? '', 'base64').toString('utf8')).catch((error: Error) => {
      throw refuse(request, `failed to parse CSR: ${error.message}`);
    });
    if (parsed.organizations.includes('system:masters'))
      throw refuse(request, 'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed');
  },
};
