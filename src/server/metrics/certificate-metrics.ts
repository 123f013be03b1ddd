/** How long issued certificates live that were asked for with a lifetime, with upstream's metric names. */
import { X509Certificate } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { CertificateSigningRequest } from '../../api/index.ts';
import { counters } from '../../observability/index.ts';
import type { WriteHook } from '../request.ts';

/** By how much a signer may miss what was asked for: five minutes, by which short lives begin before now, and a twentieth. */
const isHonored = (wantedSeconds: number, seconds: number) => Math.abs(wantedSeconds - seconds) < 300 + wantedSeconds / 20;

/** Seconds; undefined where OpenSSL is stricter than who has validated it. */
function lifeOf(certificate: Buffer): number | undefined {
  try {
    const { validFromDate, validToDate } = new X509Certificate(certificate);
    return (validToDate.getTime() - validFromDate.getTime()) / 1000;
  } catch {
    return undefined;
  }
}

/** Around writes of requests' status; counts those by which a certificate was issued. */
export function countedCertificates(registry: Registry): WriteHook<CertificateSigningRequest> {
  const counter = (name: string, help: string) =>
    counters(registry, {
      name: `apiserver_certificates_registry_${name}`,
      help: `${help}, sliced by signer (only kubernetes.io signer names are specifically identified)`,
    });
  const requested = counter('csr_requested_duration_total', 'Total number of issued CSRs with a requested duration');
  const honored = counter('csr_honored_duration_total', 'Total number of issued CSRs with a requested duration that was honored');
  const count = ({ status }: CertificateSigningRequest, { spec, status: before }: CertificateSigningRequest) => {
    const { expirationSeconds, signerName } = spec;
    if (before?.certificate || !status?.certificate || expirationSeconds === undefined) return;
    const labels = { signerName: signerName.startsWith('kubernetes.io/') ? signerName : 'other' };
    requested.with(labels).inc();
    const seconds = lifeOf(Buffer.from(status.certificate, 'base64'));
    if (seconds !== undefined && isHonored(expirationSeconds, seconds)) honored.with(labels).inc();
  };
  return {
    begin:
      async ({ next, prev, dryRun }) =>
      (succeeded) => {
        if (succeeded && !dryRun && prev !== undefined) count(next, prev);
      },
  };
}
