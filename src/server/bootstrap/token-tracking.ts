/** Since when it is known which tokens in Secrets are used: the ConfigMap that upstream's legacy token tracking keeps. */
import { ConfigMap, type Draft, hasReason } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';

const namespace = 'kube-system';
const name = 'kube-apiserver-legacy-service-account-token-tracking';

/** Days of the calendar, as time.Parse takes them. */
const isDate = (text: string | undefined) => text !== undefined && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));

/** Makes it, or mends a date that is none. */
export async function ensureTokenTracking(client: Client, clock: Clock, signal: AbortSignal): Promise<void> {
  const since = timestamp(clock).slice(0, 10);
  try {
    const present = await client.get(ConfigMap, name, { namespace, signal }).catch((error: unknown) => {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    });
    if (present === undefined) {
      const made: Draft<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { since } };
      await client.create(ConfigMap, made, { namespace, signal });
    } else if (!isDate(present.data?.since))
      await client.update(ConfigMap, { ...present, data: { ...present.data, since } }, { namespace, signal });
  } catch (error) {
    // Another API server was quicker.
    if (!['AlreadyExists', 'Conflict', 'NotFound'].some((reason) => hasReason(error, reason))) throw error;
  }
}
