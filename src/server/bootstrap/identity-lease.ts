/** Which API servers there are (KEP-1965): each renews a Lease in kube-system, and takes away those that nobody has renewed. */
import { createHash, randomUUID } from 'node:crypto';
import { type Draft, hasReason, Lease } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, microTimestamp } from '../../time/index.ts';

export interface IdentityLeaseOptions {
  client: Client;
  clock: Clock;
  /** This machine's name. */
  hostname: string;
  /** Ends it. The lease stays, and is found to be over by others. */
  signal: AbortSignal;
  onError(error: unknown): void;
}

const namespace = 'kube-system';
const component = 'kube-apiserver';
const label = 'apiserver.kubernetes.io/identity';
/** kube-apiserver's IdentityLeaseDurationSeconds, IdentityLeaseRenewIntervalPeriod and IdentityLeaseGCPeriod. */
const durationSeconds = 3600;
const renewMs = 10_000;
const collectMs = 3600_000;

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** RFC 4648, lower case, without padding. */
function base32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[(value >> (bits - 5)) & 31];
  }
  return bits > 0 ? out + alphabet[(value << (5 - bits)) & 31] : out;
}

/** `apiserver-HASH` of the machine's name and the component's, each after its length. */
export function apiServerIdentity(hostname: string): string {
  const hash = createHash('sha256');
  for (const part of [hostname, component]) {
    const bytes = Buffer.from(part);
    hash.update(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff)).update(bytes);
  }
  return `apiserver-${base32(hash.digest().subarray(0, 16))}`;
}

/** Whether nobody has renewed it for its time, or it never said how long that is. */
function isOver({ spec }: Lease, now: number): boolean {
  if (!spec?.renewTime || spec.leaseDurationSeconds === undefined) return true;
  return Date.parse(spec.renewTime) + spec.leaseDurationSeconds * 1000 < now;
}

/** Resolves when the lease has been written for the first time, or could not be: then the next turn tries again. */
export async function keepIdentityLease({ client, clock, hostname, signal, onError }: IdentityLeaseOptions): Promise<void> {
  const name = apiServerIdentity(hostname);
  const holderIdentity = `${name}_${randomUUID()}`;
  let last: Lease | undefined;

  const renew = async (): Promise<void> => {
    const renewTime = microTimestamp(clock);
    const present =
      last ??
      (await client.get(Lease, name, { namespace, signal }).catch((error: unknown) => {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      }));
    try {
      if (present === undefined) {
        const made: Draft<Lease> = {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name, namespace, labels: { [label]: component, 'kubernetes.io/hostname': hostname } },
          spec: { holderIdentity, leaseDurationSeconds: durationSeconds, renewTime },
        };
        last = await client.create(Lease, made, { namespace, signal });
      } else {
        const labels = { ...present.metadata.labels, [label]: component, 'kubernetes.io/hostname': hostname };
        const spec = { ...present.spec, holderIdentity, leaseDurationSeconds: durationSeconds, renewTime };
        last = await client.update(Lease, { ...present, metadata: { ...present.metadata, labels }, spec }, { namespace, signal });
      }
    } catch (error) {
      last = undefined;
      // Somebody else has written or removed it: the next turn looks again.
      if (!['AlreadyExists', 'Conflict', 'NotFound'].some((reason) => hasReason(error, reason))) throw error;
    }
  };
  const collect = async (): Promise<void> => {
    const { items } = await client.list(Lease, { namespace, labelSelector: `${label}=${component}`, signal });
    for (const lease of items)
      if (isOver(lease, clock.now()))
        await client
          .delete(Lease, lease.metadata.name, { namespace, signal, preconditions: { uid: lease.metadata.uid } })
          .catch((error: unknown) => {
            if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
          });
  };
  const tried = (work: () => Promise<void>) =>
    work().catch((error: unknown) => {
      if (!signal.aborted) onError(error);
    });
  const repeat = async (everyMs: number, work: () => Promise<void>) => {
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal).catch(() => {});
      if (!signal.aborted) await tried(work);
    }
  };
  await tried(renew);
  void repeat(renewMs, renew);
  void repeat(collectMs, collect);
}
