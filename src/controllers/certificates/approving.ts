import { CertificateSigningRequest, SubjectAccessReview } from '../../api/index.ts';
import { parseSigningRequest, type SigningRequest } from '../../pki/index.ts';
import { timestamp } from '../../time/index.ts';
import { defineController } from '../framework/index.ts';
import { hasCondition, kubeletClientProblem, kubeletClientSigner, requestPem } from './signers.ts';

interface Recognizer {
  subresource: string;
  message: string;
  recognizes(csr: CertificateSigningRequest, request: SigningRequest): boolean;
}

const recognizers: readonly Recognizer[] = [
  {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
    recognizes: (csr, request) => csr.spec.username === request.commonName,
  },
  {
    subresource: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
    recognizes: () => true,
  },
];

/** Approves kubelets' requests for client certificates, if whoever asks may have them. */
export const csrApprovingController = defineController(
  'certificatesigningrequest-approving-controller',
  ({ client, clock, informers }, queue) => {
    const requests = informers.for(CertificateSigningRequest);
    const enqueue = (csr: CertificateSigningRequest) => {
      if (csr.spec.signerName === kubeletClientSigner) queue.add(csr.metadata.name);
    };
    requests.addHandler({ add: enqueue, update: enqueue });

    const mayCreate = async ({ spec }: CertificateSigningRequest, subresource: string, signal: AbortSignal): Promise<boolean> => {
      const { username = '', uid, groups, extra } = spec;
      const resourceAttributes = {
        group: 'certificates.k8s.io',
        resource: 'certificatesigningrequests',
        verb: 'create',
        subresource,
        version: '*',
      };
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: {},
        spec: { user: username, ...(uid ? { uid } : {}), ...(groups ? { groups } : {}), ...(extra ? { extra } : {}), resourceAttributes },
      };
      return (await client.create(SubjectAccessReview, review, { signal })).status?.allowed === true;
    };

    return {
      informers: [requests],
      async reconcile(name, signal) {
        const csr = requests.lister.get(name);
        if (!csr || csr.status?.certificate || hasCondition(csr, 'Approved', 'Denied')) return;
        const request = await parseSigningRequest(requestPem(csr));
        if (kubeletClientProblem(request, csr.spec.usages ?? []) !== undefined) return;
        const tried: string[] = [];
        for (const { subresource, message, recognizes } of recognizers) {
          if (!recognizes(csr, request)) continue;
          tried.push(subresource);
          if (!(await mayCreate(csr, subresource, signal))) continue;
          const now = timestamp(clock);
          const approved = {
            type: 'Approved',
            status: 'True' as const,
            reason: 'AutoApproved',
            message,
            lastUpdateTime: now,
            lastTransitionTime: now,
          };
          const status = { ...csr.status, conditions: [...(csr.status?.conditions ?? []), approved] };
          await client.update(CertificateSigningRequest, { ...csr, status }, { subresource: 'approval', signal });
          return;
        }
        // Rights may come later: it is tried again, less and less often.
        throw new Error(`recognized csr ${JSON.stringify(name)} as ${JSON.stringify(tried)} but subject access review was not approved`);
      },
    };
  },
);
