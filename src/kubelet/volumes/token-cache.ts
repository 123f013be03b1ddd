/** Service-account tokens bound to pods, asked of the API and renewed when 80 % of their life, or a day, is over. */
import { type authenticationV1, type Pod, ServiceAccount } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import { uidOf } from '../pod/identity.ts';

export interface TokenCache {
  token(pod: Pod, audience: string, expirationSeconds: number): Promise<string>;
  /** When the first of the pod's tokens wants renewal; undefined where it has none. */
  renewAtMs(uid: string): number | undefined;
  forget(uid: string): void;
}

const dayMs = 86_400_000;

export function tokenCache(client: Client, clock: Clock): TokenCache {
  const cache = new Map<string, { token: string; renewAtMs: number }>();
  return {
    async token(pod, audience, expirationSeconds) {
      const key = `${uidOf(pod)}/${audience}/${expirationSeconds}`;
      const known = cache.get(key);
      if (known && clock.now() < known.renewAtMs) return known.token;
      const answer = await client.createSubresource<authenticationV1.TokenRequest>(
        ServiceAccount,
        pod.spec.serviceAccountName || 'default',
        'token',
        {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          metadata: {},
          spec: {
            audiences: audience ? [audience] : [],
            expirationSeconds,
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: uidOf(pod) },
          },
        },
        { namespace: pod.metadata.namespace },
      );
      const status = answer.status;
      if (!status?.token) throw new Error(`failed to fetch token: the server answered none for ${pod.spec.serviceAccountName}`);
      const lifeMs = Date.parse(status.expirationTimestamp ?? '') - clock.now() || expirationSeconds * 1000;
      cache.set(key, { token: status.token, renewAtMs: clock.now() + Math.min(lifeMs * 0.8, dayMs) });
      return status.token;
    },
    renewAtMs(uid) {
      const times = [...cache].filter(([key]) => key.startsWith(`${uid}/`)).map(([, { renewAtMs }]) => renewAtMs);
      return times.length > 0 ? Math.min(...times) : undefined;
    },
    forget(uid) {
      for (const key of cache.keys()) if (key.startsWith(`${uid}/`)) cache.delete(key);
    },
  };
}
