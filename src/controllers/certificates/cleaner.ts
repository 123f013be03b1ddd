import { X509Certificate } from 'node:crypto';
import { CertificateSigningRequest, hasReason } from '../../api/index.ts';
import { defineController, timeOf } from '../framework/index.ts';

const hourMs = 3_600_000;
/** How long a request stays after this happened to it. */
const keptMs: Record<string, number> = { Approved: hourMs, Denied: hourMs, Failed: hourMs };
const pendingMs = 24 * hourMs;

/** When the request may go, in milliseconds since the epoch. */
export function expiresAtMs(csr: CertificateSigningRequest): number {
  const { conditions = [], certificate } = csr.status ?? {};
  const times = conditions.flatMap(({ type, lastUpdateTime }) => {
    const kept = keptMs[type];
    // An approved request waits for its certificate as long as a pending one for its approval.
    if (kept === undefined || (type === 'Approved' && !certificate)) return [];
    return [timeOf(lastUpdateTime ?? csr.metadata.creationTimestamp) + kept];
  });
  if (certificate) times.push(...certificateEndMs(certificate));
  return times.length > 0 ? Math.min(...times) : timeOf(csr.metadata.creationTimestamp) + pendingMs;
}

function certificateEndMs(base64: string): number[] {
  try {
    return [new X509Certificate(Buffer.from(base64, 'base64')).validToDate.getTime()];
  } catch {
    // What some other signer has written and is no certificate does not expire.
    return [];
  }
}

/** Removes requests that are done with. */
export const csrCleanerController = defineController(
  'certificatesigningrequest-cleaner-controller',
  ({ client, clock, informers }, queue) => {
    const requests = informers.for(CertificateSigningRequest);
    const enqueue = (csr: CertificateSigningRequest) => queue.add(csr.metadata.name);
    requests.addHandler({ add: enqueue, update: enqueue });
    return {
      informers: [requests],
      workers: 1,
      async reconcile(name, signal) {
        const csr = requests.lister.get(name);
        if (!csr) return;
        const left = expiresAtMs(csr) - clock.now();
        if (left > 0) return { requeueAfterMs: left };
        await client
          .delete(CertificateSigningRequest, name, { preconditions: { uid: csr.metadata.uid }, signal })
          .catch((error: unknown) => {
            if (!hasReason(error, 'NotFound')) throw error;
          });
        return;
      },
    };
  },
);
