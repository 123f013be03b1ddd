/**
 * Tokens that do not expire, made by the controllers of before 1.24 and listed by their accounts, go when nobody uses them (KEP-2799):
 * after a period they are marked invalid, which API servers heed and an administrator may take back; after another they are deleted.
 */
import { ConfigMap, hasReason, namesInPod, Pod, Secret, type Secret as SecretType, ServiceAccount } from '../api/index.ts';
import { keyOf } from '../client/index.ts';
import { defineController, timeOf } from './framework/index.ts';

const tokenType = 'kubernetes.io/service-account-token';
const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';
const tracking = { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' };
const dayMs = 24 * 3_600_000;

/** Days are labels; what a day is said of may have been at its end: the beginning of the next one. Undefined for what is no day. */
function dayAfterMs(date: string | undefined): number | undefined {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(date ?? '') ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms + dayMs;
}

/** Since when, as far as the Secret tells, its token has not been used; undefined where its label can't be read. */
export function unusedSinceMs({ metadata: { creationTimestamp, labels } }: Pick<SecretType, 'metadata'>): number | undefined {
  const createdMs = timeOf(creationTimestamp);
  const lastUsed = labels?.[lastUsedLabel];
  if (lastUsed === undefined) return createdMs;
  const usedMs = dayAfterMs(lastUsed);
  return usedMs === undefined ? undefined : Math.max(createdMs, usedMs);
}

export const legacyTokenCleanerController = defineController(
  'legacy-serviceaccount-token-cleaner-controller',
  ({ client, clock, informers, config, logger }, queue) => {
    const periodMs = config.legacyTokenCleanUpPeriodMs;
    const secrets = informers.for(Secret, { fieldSelector: `type=${tokenType}` });
    const accounts = informers.for(ServiceAccount);
    const pods = informers.for(Pod);
    const enqueue = (secret: SecretType) => queue.add(keyOf(secret));
    secrets.addHandler({ add: enqueue, update: enqueue });

    /** Upstream looks at all once a day; so often is looked whether what spares a token still holds. */
    const later = (leftMs = dayMs) => ({ requeueAfterMs: Math.min(leftMs, dayMs) });

    /** Only what its account lists is known to have been generated. */
    const isGenerated = ({ metadata: { name, namespace, annotations } }: SecretType): boolean => {
      const account = accounts.lister.get(annotations?.['kubernetes.io/service-account.name'] ?? '', namespace);
      const uid = annotations?.['kubernetes.io/service-account.uid'];
      return (
        account !== undefined && (!uid || uid === account.metadata.uid) && (account.secrets ?? []).some((secret) => secret.name === name)
      );
    };

    const isMounted = ({ metadata: { name, namespace } }: SecretType): boolean =>
      pods.lister.list(namespace).some(({ spec }) => {
        for (const [kind, named] of namesInPod(spec)) if (kind === 'secret' && named === name) return true;
        return false;
      });

    /** Since when uses are recorded at all. */
    const trackedSinceMs = async (signal: AbortSignal): Promise<number> => {
      const { data } = await client.get(ConfigMap, tracking.name, { namespace: tracking.namespace, signal });
      const since = dayAfterMs(data?.since);
      if (since === undefined) throw new Error(`error parsing trackedSince time: ${JSON.stringify(data?.since)}`);
      return since;
    };

    return {
      informers: [secrets, accounts, pods],
      workers: 1,
      async reconcile(key, signal) {
        const secret = secrets.lister.getByKey(key);
        if (!secret || secret.type !== tokenType || secret.metadata.deletionTimestamp) return;
        const unusedMs = unusedSinceMs(secret);
        if (unusedMs === undefined) return;
        const left = unusedMs + periodMs - clock.now();
        if (left > 0) return later(left);
        if (!isGenerated(secret) || isMounted(secret)) return later();
        const untracked = (await trackedSinceMs(signal)) + periodMs - clock.now();
        if (untracked > 0) return later(untracked);
        const { name, namespace, uid, resourceVersion, labels } = secret.metadata;
        const invalidMs = dayAfterMs(labels?.[invalidSinceLabel]);
        if (invalidMs === undefined) {
          const today = new Date(clock.now()).toISOString().slice(0, 10);
          logger?.info({ secret: key }, 'mark the auto-generated service account token as invalid');
          await client.patch(Secret, name, 'merge', { metadata: { uid, labels: { [invalidSinceLabel]: today } } }, { namespace, signal });
          return;
        }
        const invalidLeft = invalidMs + periodMs - clock.now();
        if (invalidLeft > 0) return later(invalidLeft);
        logger?.info({ secret: key }, 'delete auto-generated service account token');
        await client.delete(Secret, name, { namespace, preconditions: { uid, resourceVersion }, signal }).catch((error: unknown) => {
          if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
        });
      },
    };
  },
  { queueName: 'legacy_service_account_token_cleaner' },
);
