/** Tokens of an OpenID Connect provider: signed by its keys, for this cluster's client, with the user in their claims. */
import type { Clock } from '../../time/index.ts';
import { PassingError } from '../configuration-file.ts';
import type { OidcMetrics } from '../metrics/oidc-metrics.ts';
import { type ClaimMapping, userOfClaims } from './claim-mapping.ts';
import { claimResolver } from './distributed-claims.ts';
import { claimsOf, issuerOf, openProvider, type ProviderOptions } from './oidc-provider.ts';
import { describeFailures, type TokenAuthenticator } from './token.ts';

/** --oidc-issuer-url, --oidc-client-id, --oidc-ca-file, --oidc-signing-algs, or a provider of --authentication-config. */
export interface OidcOptions extends ProviderOptions {
  mapping: ClaimMapping;
}

const because = (what: string) => (error: Error) => {
  throw new Error(`oidc: ${what}: ${error.message}`);
};

export interface OidcTokens extends TokenAuthenticator {
  /** Throws where the provider can't be asked. */
  checkHealth(): Promise<void>;
}

export function oidcTokens(options: OidcOptions, clock: Clock, metrics?: OidcMetrics): OidcTokens {
  const { issuer, mapping } = options;
  const { verify, check } = openProvider(options, clock, metrics);
  const { groups } = mapping;
  const resolve = groups !== undefined && 'claim' in groups ? claimResolver(groups.claim, options, clock) : undefined;
  return {
    checkHealth: () =>
      check().catch((error: Error) => {
        throw new Error(`oidc: authenticator for issuer ${JSON.stringify(issuer)} is not healthy: ${error.message}`, { cause: error });
      }),
    async authenticateToken(token) {
      const claims = claimsOf(token);
      if (claims === undefined || issuerOf(claims) !== issuer) return undefined;
      const startedMs = clock.monotonic();
      const measured = (result: 'success' | 'failure') => metrics?.authenticated(issuer, result, (clock.monotonic() - startedMs) / 1000);
      try {
        await verify(token, claims).catch(because('verify token'));
        const whole = (await resolve?.(claims).catch(because('could not expand distributed claims'))) ?? claims;
        const user = userOfClaims(whole, mapping);
        measured('success');
        return { user };
      } catch (error) {
        measured('failure');
        throw error;
      }
    },
  };
}

/** How often, and how long, providers are asked that a new configuration names. */
const pollMs = 10_000;
const patienceMs = 60_000;

/** Resolves when all can be asked. Throws PassingError where that takes too long. */
export async function allHealthy(providers: readonly OidcTokens[], clock: Clock, signal: AbortSignal): Promise<void> {
  const untilMs = clock.monotonic() + patienceMs;
  for (;;) {
    const failures = (await Promise.allSettled(providers.map((provider) => provider.checkHealth()))).flatMap((checked) =>
      checked.status === 'rejected' ? [checked.reason] : [],
    );
    if (failures.length === 0) return;
    if (clock.monotonic() + pollMs > untilMs)
      throw new PassingError(describeFailures([...failures, new Error('context deadline exceeded')]));
    await clock.sleep(pollMs, signal);
  }
}
