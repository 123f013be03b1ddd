import { type Clock, type Random, systemRandom } from '../../time/index.ts';
import type { OidcMetrics } from '../metrics/oidc-metrics.ts';
import type { ServiceAccountMetrics } from '../metrics/service-account-metrics.ts';
import type { TokenCacheMetrics } from '../metrics/token-cache-metrics.ts';
import type { Authenticator, UserInfo } from '../request.ts';
import type { Storages } from '../storages.ts';
import { type TokenWebhookOptions, tokenWebhook } from '../webhook/reviews.ts';
import { bootstrapTokens } from './bootstrap-token.ts';
import { clientCertificates, type RequestHeaderOptions, requestHeaders } from './certificate.ts';
import { allHealthy, type OidcOptions, oidcTokens } from './oidc.ts';
import { type LegacyTokenTracking, legacySecretTokens } from './service-account/legacy-token.ts';
import { createTokenVerifier, serviceAccountTokens } from './service-account/token-verifier.ts';
import { audienceAgnostic, bearerTokens, type TokenAuthenticator, unionTokens } from './token.ts';
import { staticTokens } from './token-file.ts';
import { union } from './union.ts';

export interface AuthenticationOptions {
  storages: Storages;
  clock: Clock;
  /** --client-ca-file, PEM. */
  clientCa?: string;
  /** --service-account-issuer: the first signs, the others are accepted. */
  issuers: readonly string[];
  /** --service-account-key-file, PEM. */
  serviceAccountKeys: readonly string[];
  /** --api-audiences; default: the issuers. */
  apiAudiences?: readonly string[];
  /** --token-auth-file, parsed. */
  tokens?: ReadonlyMap<string, UserInfo>;
  requestHeader?: RequestHeaderOptions;
  /** --service-account-lookup: whether tokens of Secrets are good only while these are there; default true. */
  serviceAccountLookup?: boolean;
  metrics?: ServiceAccountMetrics | undefined;
  /** Labels the Secret of a token that is used. */
  labelSecret?: LegacyTokenTracking['label'];
  oidcMetrics?: OidcMetrics;
  /** --oidc-*, --authentication-config. */
  oidc?: readonly OidcOptions[];
  /** --authentication-token-webhook-config-file: asked where nobody else knows a token. */
  tokenWebhook?: Pick<TokenWebhookOptions, 'webhook' | 'version' | 'ttlMs'>;
  tokenCacheMetrics?: TokenCacheMetrics;
  random?: Random;
  /** --enable-bootstrap-token-auth; default true, as kubeadm has it. */
  bootstrapTokenAuth?: boolean;
  onError?(error: unknown): void;
}

/** PEM bundles: whose client certificates count, and whose bearers' word counts for who others are. */
export interface Authorities {
  clientCa?: string;
  requestHeaderCa?: string;
}

/**
 * The server's authenticators in upstream's order, and the token part of them alone for TokenReview. Who is nobody's user may be
 * anonymous, which the filters decide: they know what is asked for.
 */
export function createAuthentication(options: AuthenticationOptions): {
  authenticator: Authenticator;
  tokens: TokenAuthenticator;
  apiAudiences: readonly string[];
  /** Has tokens of other providers than before be known, once these can be asked. Throws PassingError where they can't. */
  setOidc(providers: readonly OidcOptions[], signal: AbortSignal): Promise<void>;
  /** Has certificates of other authorities than before count, from now on. */
  setAuthorities(authorities: Authorities): void;
} {
  const { storages, clock } = options;
  const apiAudiences = options.apiAudiences ?? options.issuers;
  const agnostic = (tokens: TokenAuthenticator) => audienceAgnostic(apiAudiences, tokens);
  const oidcOf = (providers: readonly OidcOptions[]) => providers.map((provider) => oidcTokens(provider, clock, options.oidcMetrics));
  let oidc = unionTokens(oidcOf(options.oidc ?? []));
  const tokens = unionTokens([
    ...(options.tokens === undefined ? [] : [agnostic(staticTokens(options.tokens))]),
    serviceAccountTokens({
      verifier: createTokenVerifier({ issuers: options.issuers, keys: options.serviceAccountKeys }),
      storages,
      clock,
      apiAudiences,
      metrics: options.metrics,
    }),
    legacySecretTokens({
      ...{ keys: options.serviceAccountKeys, storages, apiAudiences },
      lookup: options.serviceAccountLookup ?? true,
      tracking: { clock, metrics: options.metrics, label: options.labelSecret ?? (async () => {}) },
    }),
    ...(options.bootstrapTokenAuth === false ? [] : [agnostic(bootstrapTokens(storages, clock))]),
    agnostic({ authenticateToken: (token, audiences, notes) => oidc.authenticateToken(token, audiences, notes) }),
    ...(options.tokenWebhook
      ? [
          tokenWebhook({
            ...{ ...options.tokenWebhook, clock, random: options.random ?? systemRandom, apiAudiences },
            cacheMetrics: options.tokenCacheMetrics,
          }),
        ]
      : []),
  ]);
  const certificatesOf = ({ clientCa = options.clientCa, requestHeaderCa }: Authorities): Authenticator[] => [
    ...(options.requestHeader === undefined
      ? []
      : [requestHeaders({ ...options.requestHeader, ...(requestHeaderCa === undefined ? {} : { clientCa: requestHeaderCa }) })]),
    clientCertificates(clientCa === undefined ? {} : { clientCa }),
  ];
  let certificates = certificatesOf({});
  const authenticator = union(
    [
      // As many as there are now, whichever they are then.
      ...certificates.map((_, i): Authenticator => ({ authenticate: (credentials) => certificates[i]?.authenticate(credentials) })),
      bearerTokens(tokens, apiAudiences),
    ],
    options.onError === undefined ? {} : { onError: options.onError },
  );
  return {
    tokens,
    apiAudiences,
    async setOidc(providers, signal) {
      const next = oidcOf(providers);
      await allHealthy(next, clock, signal);
      oidc = unionTokens(next);
    },
    setAuthorities(authorities) {
      certificates = certificatesOf(authorities);
    },
    authenticator,
  };
}
