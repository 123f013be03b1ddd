/** Components ask the API server who asks them and whether they may (TokenReview, SubjectAccessReview), and remember it for a while. */
import { createHash } from 'node:crypto';
import { type authorizationV1, SubjectAccessReview, TokenReview } from '../api/index.ts';
import type { Clock } from '../time/index.ts';
import type { Client } from './client.ts';
import { expiringCache } from './expiring-cache.ts';

export interface ReviewedUser {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface AccessDecision {
  allowed: boolean;
  denied: boolean;
  reason: string;
}

/** How long an answer holds, in ms. */
export interface Remembered {
  yesMs: number;
  noMs: number;
}

export interface DelegationOptions {
  client: Client;
  clock: Clock;
  /** --authentication-token-webhook-cache-ttl and what goes with it. */
  tokens: Remembered;
  /** --authorization-webhook-cache-authorized-ttl and -unauthorized-ttl. */
  access: Remembered;
}

export interface Delegation {
  /** Whose token it is; undefined for nobody's. */
  userOf(token: string): Promise<ReviewedUser | undefined>;
  /** Whether a user may do what the attributes say. */
  decide(
    user: ReviewedUser,
    attributes: Pick<authorizationV1.SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>,
  ): Promise<AccessDecision>;
}

/** @throws StatusError where the API server does not answer: nobody is let in then. */
export function createDelegation({ client, clock, tokens, access }: DelegationOptions): Delegation {
  const users = expiringCache<ReviewedUser | undefined>(clock, (user) => (user ? tokens.yesMs : tokens.noMs));
  const decisions = expiringCache<AccessDecision>(clock, ({ allowed }) => (allowed ? access.yesMs : access.noMs));
  return {
    // The token itself is not kept.
    userOf: (token) =>
      users(createHash('sha256').update(token).digest('base64'), async () => {
        const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
        const { authenticated, user } = (await client.create(TokenReview, review)).status ?? {};
        if (!authenticated) return undefined;
        const { username = '', uid, groups = [], extra } = user ?? {};
        return { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
      }),
    decide: (user, attributes) =>
      decisions(JSON.stringify([user, attributes]), async () => {
        const extra = user.extra && Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
        const { allowed, denied, reason } =
          (
            await client.create(SubjectAccessReview, {
              apiVersion: 'authorization.k8s.io/v1',
              kind: 'SubjectAccessReview',
              metadata: {},
              spec: {
                user: user.name,
                groups: [...user.groups],
                ...(user.uid === undefined ? {} : { uid: user.uid }),
                ...(extra ? { extra } : {}),
                ...attributes,
              },
            })
          ).status ?? {};
        return { allowed: allowed ?? false, denied: denied ?? false, reason: reason ?? '' };
      }),
  };
}
