/** Tokens of an OpenID Connect provider (--oidc-*): signed by its keys, for this cluster's client, with the user in their claims. */
import { get } from 'node:https';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { isJsonObject } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { TokenAuthenticator } from './token.ts';

export interface OidcOptions {
  /** --oidc-issuer-url. */
  issuer: string;
  /** --oidc-client-id: who the tokens are for. */
  clientId: string;
  /** --oidc-ca-file, PEM; default: the authorities of the system. */
  ca?: string;
  /** --oidc-username-claim. */
  usernameClaim: string;
  /** Put in front of names; empty for none. */
  usernamePrefix: string;
  /** --oidc-groups-claim. */
  groupsClaim?: string;
  groupsPrefix: string;
  /** --oidc-required-claim. */
  requiredClaims: Readonly<Record<string, string>>;
  /** --oidc-signing-algs. */
  algorithms: readonly string[];
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
function providerKeys({ issuer, ca }: OidcOptions, clock: Clock): (isStale: boolean) => Promise<Keys> {
  let known: Promise<Keys> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  const load = async (): Promise<Keys> => {
    const discovered = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, ca);
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

function textClaim(claims: JWTPayload, name: string): string {
  const value = claims[name];
  if (value === undefined) throw new Error(`oidc: parse username claims ${JSON.stringify(name)}: claim not present`);
  if (typeof value !== 'string')
    throw new Error(`oidc: parse username claims ${JSON.stringify(name)}: json: cannot unmarshal into Go value of type string`);
  return value;
}

function groupsOf(claims: JWTPayload, name: string | undefined): string[] {
  const value = name === undefined ? undefined : claims[name];
  if (value === undefined || value === null) return [];
  const groups: unknown[] = Array.isArray(value) ? value : [value];
  return groups.map((group) => {
    if (typeof group !== 'string')
      throw new Error(`oidc: parse groups claim ${JSON.stringify(name)}: json: cannot unmarshal into Go value of type string`);
    return group;
  });
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
      if (!audiences.includes(options.clientId))
        throw new Error(
          `oidc: verify token: oidc: expected audience in [${JSON.stringify(options.clientId)}] got ${JSON.stringify(audiences)}`,
        );
      const { usernameClaim } = options;
      const name = textClaim(claims, usernameClaim);
      // Where a provider says nothing of it, it is taken for verified.
      if (usernameClaim === 'email' && claims.email_verified !== undefined && claims.email_verified !== true)
        throw new Error('oidc: email not verified');
      for (const [claim, wanted] of Object.entries(options.requiredClaims)) {
        if (claims[claim] === undefined) throw new Error(`oidc: required claim ${claim} not present in ID token`);
        if (claims[claim] !== wanted)
          throw new Error(`oidc: required claim ${claim} value does not match. Got = ${claims[claim]}, want = ${wanted}`);
      }
      return {
        user: {
          name: options.usernamePrefix + name,
          groups: groupsOf(claims, options.groupsClaim).map((group) => options.groupsPrefix + group),
          ...(claims.jti ? { extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] } } : {}),
        },
      };
    },
  };
}
