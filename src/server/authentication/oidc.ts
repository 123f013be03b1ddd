/** Tokens of an OpenID Connect provider: signed by its keys, for this cluster's client, with the user in their claims. */
import { get } from 'node:https';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { isJsonObject } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import { type ClaimMapping, userOfClaims } from './claim-mapping.ts';
import type { TokenAuthenticator } from './token.ts';

export interface OidcOptions {
  /** --oidc-issuer-url. */
  issuer: string;
  /** Where its configuration is, if not below the issuer's URL. */
  discoveryUrl?: string;
  /** --oidc-client-id: whom the tokens may be for. */
  audiences: readonly string[];
  /** --oidc-ca-file, PEM; default: the authorities of the system. */
  ca?: string;
  /** --oidc-signing-algs. */
  algorithms: readonly string[];
  mapping: ClaimMapping;
}

const timeoutMs = 30_000;
const maxDocumentBytes = 1024 * 1024;
/** The provider is not asked for its keys again before this, whatever tokens come. */
const refreshMs = 10_000;

function fetchJson(url: string, ca: string | undefined): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const failed = (why: string) => reject(new Error(`oidc: fetching ${url}: ${why}`));
    const sent = get(url, { ...(ca === undefined ? {} : { ca }), timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxDocumentBytes) sent.destroy(new Error('the answer is too large'));
      });
      response.on('error', (error) => failed(error.message));
      response.on('end', () => {
        if (response.statusCode !== 200) return failed(`${response.statusCode} ${response.statusMessage}: ${text.slice(0, 1024)}`);
        try {
          const value: unknown = JSON.parse(text);
          return isJsonObject(value) ? resolve(value) : failed('the answer is no object');
        } catch {
          return failed('the answer is no JSON');
        }
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('context deadline exceeded')));
    sent.on('error', (error) => failed(error.message));
  });
}

type Keys = ReturnType<typeof createLocalJWKSet>;

/** The provider's keys: asked for when first needed, and again when a token names one that is not known. */
function providerKeys({ issuer, discoveryUrl, ca }: OidcOptions, clock: Clock): (isStale: boolean) => Promise<Keys> {
  let known: Promise<Keys> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  const load = async (): Promise<Keys> => {
    const discovered = await fetchJson(discoveryUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, ca);
    if (discovered.issuer !== issuer)
      throw new Error(
        `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(discovered.issuer)}`,
      );
    const keys = await fetchJson(String(discovered.jwks_uri), ca);
    // jose looks at what it holds.
    return createLocalJWKSet(keys as unknown as JSONWebKeySet);
  };
  return (isStale) => {
    if (known === undefined || (isStale && clock.monotonic() - askedMs > refreshMs)) {
      askedMs = clock.monotonic();
      const asked = load();
      known = asked;
      // A provider that does not answer is asked again with the next token.
      asked.catch(() => {
        if (known === asked) known = undefined;
      });
    }
    return known;
  };
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined; // no JWT: somebody else's token
  }
}

export function oidcTokens(options: OidcOptions, clock: Clock): TokenAuthenticator {
  const keysOf = providerKeys(options, clock);
  const verify = async (token: string): Promise<JWTPayload> => {
    const check = async (isStale: boolean) =>
      (await jwtVerify(token, await keysOf(isStale), { algorithms: [...options.algorithms], currentDate: new Date(clock.now()) })).payload;
    try {
      return await check(false).catch((error: unknown) => {
        // Its provider may have new keys by now.
        if (error instanceof joseErrors.JWKSNoMatchingKey || error instanceof joseErrors.JWSSignatureVerificationFailed) return check(true);
        throw error;
      });
    } catch (error) {
      if (error instanceof joseErrors.JOSEError) throw new Error(`oidc: verify token: ${error.message}`);
      throw error;
    }
  };
  return {
    async authenticateToken(token) {
      if (token.split('.').length !== 3 || issuerOf(token) !== options.issuer) return undefined;
      const claims = await verify(token);
      const audiences = typeof claims.aud === 'string' ? [claims.aud] : (claims.aud ?? []);
      if (!options.audiences.some((audience) => audiences.includes(audience)))
        throw new Error(
          `oidc: verify token: oidc: expected audience in ${JSON.stringify([...options.audiences].sort())} got ${JSON.stringify(audiences)}`,
        );
      return { user: userOfClaims(claims, options.mapping) };
    },
  };
}
