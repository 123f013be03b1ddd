/** Others who say whose a token is (--authentication-token-webhook-*); how any review is asked for. */
import { createHash } from 'node:crypto';
import { apiVersionOf, decodeValue, isJsonObject, kindNode, parseJson } from '../../api/index.ts';
import { expiringCache } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { TokenAuthenticator } from '../authentication/token.ts';
import type { TokenCacheMetrics } from '../metrics/token-cache-metrics.ts';
import { type KubeconfigWebhook, type PatienceOptions, postPatiently } from './kubeconfig-webhook.ts';

export interface ReviewOptions extends Pick<PatienceOptions, 'timeoutMs' | 'onTry'> {
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
  cacheMetrics?: TokenCacheMetrics | undefined;
}

/** Upstream's DefaultRetryBackoff begins with this. */
const initialBackoffMs = 500;

/** What the webhook's answer says; what it does not say is missing. */
export async function askReview<Status>(options: ReviewOptions, group: string, kind: string, spec: object): Promise<Partial<Status>> {
  const body = { kind, apiVersion: `${group}/${options.version}`, metadata: {}, spec, status: {} };
  const gvk = { group, version: options.version, kind };
  // It is decoded as a review of this kind.
  const read = (text: string) => (decodedReview(text, gvk) as { status?: Partial<Status> }).status ?? {};
  return postPatiently(options.webhook, JSON.stringify(body), { ...options, initialBackoffMs }, read);
}

/** Throws in upstream's words for what is no such review. A kind and version that it does not tell are those that were sent. */
function decodedReview(text: string, gvk: { group: string; version: string; kind: string }): unknown {
  const node = kindNode(gvk);
  if (node === undefined)
    throw new Error(`no kind ${JSON.stringify(gvk.kind)} is registered for version ${JSON.stringify(apiVersionOf(gvk))}`);
  if (text === '') throw new Error('0-length response with status code: 200 and content type: ');
  let value: unknown;
  try {
    ({ value } = parseJson(text));
  } catch (error) {
    throw new Error(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { kind = gvk.kind, apiVersion = apiVersionOf(gvk) } = (isJsonObject(value) ? value : {}) as Record<string, unknown>;
  if (kind !== gvk.kind || apiVersion !== apiVersionOf(gvk))
    throw new Error(
      `the API version in the data (${String(apiVersion)}) with kind ${String(kind)} does not match the expected API version (${apiVersionOf(gvk)}) with kind ${gvk.kind}`,
    );
  return decodeValue(node, value);
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
      const review = () => askReview<TokenStatus>(options, 'authentication.k8s.io', 'TokenReview', { token, audiences: wanted });
      const { cacheMetrics } = options;
      const status = await (cacheMetrics
        ? cacheMetrics.question<Partial<TokenStatus>>((ask) => answers(key, () => ask(review)))
        : answers(key, review));
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
