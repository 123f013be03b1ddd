/** Tokens of an OpenID Connect provider: signed by its keys, for this cluster's client, with the user in their claims. */
import type { Clock } from '../../time/index.ts';
import type { OidcMetrics } from '../metrics/oidc-metrics.ts';
import { type ClaimMapping, userOfClaims } from './claim-mapping.ts';
import { claimResolver } from './distributed-claims.ts';
import { claimsOf, issuerOf, type ProviderOptions, providerVerifier } from './oidc-provider.ts';
import type { TokenAuthenticator } from './token.ts';

/** --oidc-issuer-url, --oidc-client-id, --oidc-ca-file, --oidc-signing-algs, or a provider of --authentication-config. */
export interface OidcOptions extends ProviderOptions {
  mapping: ClaimMapping;
}

const because = (what: string) => (error: Error) => {
  throw new Error(`oidc: ${what}: ${error.message}`);
};

export function oidcTokens(options: OidcOptions, clock: Clock, metrics?: OidcMetrics): TokenAuthenticator {
  const { issuer, mapping } = options;
  const verify = providerVerifier(options, clock, metrics);
  const { groups } = mapping;
  const resolve = groups !== undefined && 'claim' in groups ? claimResolver(groups.claim, options, clock) : undefined;
  return {
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
