/** Others who say whose a token is and who may do what (--authentication-token-webhook-*, --authorization-webhook-*). */
import { createHash } from 'node:crypto';
import { expiringCache } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { TokenAuthenticator } from '../authentication/token.ts';
import type { Attributes, Authorizer } from '../request.ts';
import { type KubeconfigWebhook, postPatiently } from './kubeconfig-webhook.ts';

interface ReviewOptions {
  webhook: KubeconfigWebhook;
  /** Of the reviews that are sent; default v1beta1, as upstream's flags. */
  version: 'v1' | 'v1beta1';
  clock: Clock;
  random: Random;
}

export interface TokenWebhookOptions extends ReviewOptions {
  /** --authentication-token-webhook-cache-ttl. */
  ttlMs: number;
  apiAudiences: readonly string[];
}

export interface AccessWebhookOptions extends ReviewOptions {
  /** --authorization-webhook-cache-authorized-ttl. */
  allowedTtlMs: number;
  /** --authorization-webhook-cache-unauthorized-ttl. */
  deniedTtlMs: number;
  onError(error: unknown): void;
}

/** Upstream's DefaultRetryBackoff begins with this. */
const initialBackoffMs = 500;

/** What the webhook's answer says; what it does not say is missing. */
async function ask<Status>(options: ReviewOptions, group: string, kind: string, spec: object): Promise<Partial<Status>> {
  const body = { kind, apiVersion: `${group}/${options.version}`, metadata: {}, spec, status: {} };
  const text = await postPatiently(options.webhook, JSON.stringify(body), { ...options, initialBackoffMs });
  // Looked at by whoever has asked; a status that is none says nothing.
  return ((JSON.parse(text) as { status?: Partial<Status> } | null)?.status ?? {}) as Partial<Status>;
}

interface TokenStatus {
  authenticated: boolean;
  user: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
  audiences: string[];
  error: string;
}

export function tokenWebhook(options: TokenWebhookOptions): TokenAuthenticator {
  const answers = expiringCache<Partial<TokenStatus>>(options.clock, () => options.ttlMs);
  return {
    async authenticateToken(token, audiences) {
      const wanted = audiences.length > 0 ? audiences : options.apiAudiences;
      // The token itself is not kept.
      const key = createHash('sha256')
        .update(JSON.stringify([token, wanted]))
        .digest('base64');
      const status = await answers(key, () =>
        ask<TokenStatus>(options, 'authentication.k8s.io', 'TokenReview', { token, audiences: wanted }),
      );
      // A webhook that knows nothing of audiences answers for the API server's.
      const good = status.audiences?.length ? status.audiences : options.apiAudiences;
      const common = wanted.filter((audience) => good.includes(audience));
      if (common.length === 0) return undefined;
      if (status.authenticated !== true) {
        if (status.error) throw new Error(status.error);
        return undefined;
      }
      const { username = '', uid, groups = [], extra } = status.user ?? {};
      return { user: { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) }, audiences: common };
    },
  };
}

interface AccessStatus {
  allowed: boolean;
  denied: boolean;
  reason: string;
}

/** What is asked about in longer words is not remembered. */
const maxRememberedLength = 10_000;

const withoutEmpty = (object: Record<string, string>) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));

function specOf({ user, ...attributes }: Attributes, version: ReviewOptions['version']): object {
  const { verb, isResourceRequest, apiGroup, apiVersion, namespace, resource, subresource, name, path } = attributes;
  return {
    ...(isResourceRequest
      ? { resourceAttributes: withoutEmpty({ namespace, verb, group: apiGroup, version: apiVersion, resource, subresource, name }) }
      : { nonResourceAttributes: withoutEmpty({ path, verb }) }),
    ...(user.name === '' ? {} : { user: user.name }),
    // The older version's field has the other name.
    ...(user.groups.length > 0 ? { [version === 'v1' ? 'groups' : 'group']: user.groups } : {}),
    ...(user.extra ? { extra: user.extra } : {}),
    ...(user.uid ? { uid: user.uid } : {}),
  };
}

export function accessWebhook(options: AccessWebhookOptions): Authorizer {
  const answers = expiringCache<Partial<AccessStatus>>(
    options.clock,
    ({ allowed }) => (allowed === true ? options.allowedTtlMs : options.deniedTtlMs),
    8192,
  );
  return {
    async authorize(attributes) {
      const spec = specOf(attributes, options.version);
      const { verb, apiGroup, apiVersion, namespace, resource, subresource, name, path } = attributes;
      const length = [verb, apiGroup, apiVersion, namespace, resource, subresource, name, path].join('').length;
      const asked = () => ask<AccessStatus>(options, 'authorization.k8s.io', 'SubjectAccessReview', spec);
      let status: Partial<AccessStatus>;
      try {
        status = await (length < maxRememberedLength ? answers(JSON.stringify(spec), asked) : asked());
      } catch (error) {
        // Others may still know: nobody is refused, or let in, by a webhook that does not answer.
        options.onError(error);
        return { decision: 'noOpinion', reason: '' };
      }
      const reason = status.reason ?? '';
      return { decision: status.denied === true ? 'deny' : status.allowed === true ? 'allow' : 'noOpinion', reason };
    },
  };
}
