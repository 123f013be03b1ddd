import { X509Certificate } from 'node:crypto';
import { CertificateSigningRequest } from '../../api/index.ts';
import { type KeyCertificate, parseSigningRequest, signRequest } from '../../pki/index.ts';
import { timestamp } from '../../time/index.ts';
import { defineController } from '../framework/index.ts';
import { hasCondition, isBuiltInSigner, refusal, requestPem } from './signers.ts';

/** A certificate holds from a little before now, for clocks that are slow. */
const backdateMs = 5 * 60_000;
/** What lives less long than this lives all of it from now on. */
const shortMs = 8 * 3_600_000;
const leastMs = 10 * 60_000;

/** What is asked for, as far as the signer grants it. */
const lifetimeMs = (expirationSeconds: number | undefined, grantedMs: number): number =>
  expirationSeconds === undefined ? grantedMs : Math.min(Math.max(expirationSeconds * 1000, leastMs), grantedMs);

/** Nothing that an authority has signed outlives it. */
function validityOf({ certificate }: KeyCertificate, lifeMs: number, nowMs: number): { notBefore: Date; notAfter: Date } {
  const endMs = nowMs + (lifeMs < shortMs ? lifeMs : lifeMs - backdateMs);
  const authorityEndMs = new X509Certificate(certificate).validToDate.getTime();
  return { notBefore: new Date(nowMs - backdateMs), notAfter: new Date(Math.min(endMs, authorityEndMs)) };
}

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
        const lifeMs = lifetimeMs(csr.spec.expirationSeconds, config.clusterSigningDurationMs);
        const certificate = await signRequest(authority, pem, { ...validityOf(authority, lifeMs, clock.now()), usages });
        const status = { ...csr.status, certificate: Buffer.from(certificate).toString('base64') };
        await client.updateStatus(CertificateSigningRequest, { ...csr, status }, { signal });
      },
    };
  },
);
