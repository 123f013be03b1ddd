import { CertificateSigningRequest } from '../../api/index.ts';
import { type ExtendedUsage, parseSigningRequest, signRequest } from '../../pki/index.ts';
import { timestamp } from '../../time/index.ts';
import { defineController } from '../framework/index.ts';
import { hasCondition, isBuiltInSigner, refusal, requestPem } from './signers.ts';

/** A certificate holds from a little before now, for clocks that are slow. */
const backdateMs = 5 * 60_000;
const extendedUsages: Record<string, ExtendedUsage> = { 'client auth': 'client', 'server auth': 'server' };

/** Signs approved requests to the built-in signers with the cluster's signing certificate. */
export const csrSigningController = defineController(
  'certificatesigningrequest-signing-controller',
  ({ client, clock, informers, config }, queue) => {
    const requests = informers.for(CertificateSigningRequest);
    const authority = config.clusterSigning;
    const enqueue = (csr: CertificateSigningRequest) => {
      if (authority && isBuiltInSigner(csr.spec.signerName) && hasCondition(csr, 'Approved')) queue.add(csr.metadata.name);
    };
    requests.addHandler({ add: enqueue, update: enqueue });
    return {
      informers: [requests],
      async reconcile(name, signal) {
        const csr = requests.lister.get(name);
        if (!csr || !authority || csr.status?.certificate || !hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied', 'Failed'))
          return;
        const pem = requestPem(csr);
        const usages = csr.spec.usages ?? [];
        const problem = refusal(csr.spec.signerName, await parseSigningRequest(pem), usages);
        if (problem !== undefined) {
          const now = timestamp(clock);
          const failed = {
            type: 'Failed',
            status: 'True' as const,
            reason: 'SignerValidationFailure',
            message: problem,
            lastUpdateTime: now,
            lastTransitionTime: now,
          };
          const conditions = [...(csr.status?.conditions ?? []), failed];
          await client.updateStatus(CertificateSigningRequest, { ...csr, status: { ...csr.status, conditions } }, { signal });
          return;
        }
        const requestedMs = (csr.spec.expirationSeconds ?? Number.POSITIVE_INFINITY) * 1000;
        const certificate = await signRequest(authority, pem, {
          notBefore: new Date(clock.now() - backdateMs),
          notAfter: new Date(clock.now() + Math.min(requestedMs, config.clusterSigningDurationMs)),
          usages: usages.flatMap((usage) => extendedUsages[usage] ?? []),
          keyEncipherment: usages.includes('key encipherment'),
        });
        const status = { ...csr.status, certificate: Buffer.from(certificate).toString('base64') };
        await client.updateStatus(CertificateSigningRequest, { ...csr, status }, { signal });
      },
    };
  },
);
