/** Who asks a component, and whether they may: the API server says so (TokenReview, SubjectAccessReview), as upstream's delegating options. */
import { createHash } from 'node:crypto';
import { SubjectAccessReview, TokenReview } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import type { TokenAuthenticator } from '../authentication/token.ts';
import type { Authorizer, Decision, UserInfo } from '../request.ts';

/** --authentication-token-webhook-cache-ttl's and --authorization-webhook-cache-...-ttl's defaults. */
const rememberedMs = 10_000;
const mostRemembered = 1000;

interface Remembered<T> {
  until: number;
  value: Promise<T>;
}

/** Asks once in a while; what failed is asked again. */
function remembering<T>(clock: Clock): (key: string, ask: () => Promise<T>) => Promise<T> {
  const known = new Map<string, Remembered<T>>();
  return (key, ask) => {
    const now = clock.monotonic();
    const found = known.get(key);
    if (found !== undefined && found.until > now) return found.value;
    if (known.size >= mostRemembered) known.clear();
    const value = ask();
    known.set(key, { until: now + rememberedMs, value });
    value.catch(() => known.delete(key));
    return value;
  };
}

const extraOf = (extra: UserInfo['extra']) =>
  extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) };

export function delegatedTokens(client: Client, clock: Clock): TokenAuthenticator {
  const reviews = remembering<UserInfo | undefined>(clock);
  return {
    async authenticateToken(token) {
      // The token itself is not kept.
      const user = await reviews(createHash('sha256').update(token).digest('base64'), async () => {
        const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
        const status = (await client.create(TokenReview, review)).status;
        if (!status?.authenticated) return undefined;
        const { username = '', uid, groups = [], extra } = status.user ?? {};
        return { name: username, groups, ...(uid ? { uid } : {}), ...extraOf(extra) };
      });
      if (user === undefined) throw new Error('invalid bearer token');
      return { user };
    },
  };
}

export function delegatedAuthorizer(client: Client, clock: Clock): Authorizer {
  const reviews = remembering<Decision>(clock);
  return {
    authorize({ user, verb, path }) {
      // --authorization-always-allow-paths is the filters' own; who masters the system need not ask.
      if (user.groups.includes('system:masters')) return { decision: 'allow', reason: '' };
      return reviews(JSON.stringify([user, verb, path]), async () => {
        const review = await client.create(SubjectAccessReview, {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          metadata: {},
          spec: {
            user: user.name,
            groups: [...user.groups],
            ...(user.uid === undefined ? {} : { uid: user.uid }),
            ...extraOf(user.extra),
            nonResourceAttributes: { path, verb },
          },
        });
        const { allowed, denied, reason = '' } = review.status ?? {};
        return { decision: allowed ? 'allow' : denied ? 'deny' : 'noOpinion', reason };
      });
    },
  };
}
