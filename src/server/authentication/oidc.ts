/** Tokens of an OpenID Connect provider: signed by its keys, for this cluster's client, with the user in their claims. */
import { get } from 'node:https';
import {
  type CryptoKey,
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  type JSONWebKeySet,
  type JWTPayload,
  errors as joseErrors,
} from 'jose';
import { isJsonObject } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { OidcMetrics } from '../metrics/oidc-metrics.ts';
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

function fetchJson(url: string, ca: string | undefined): Promise<{ value: Record<string, unknown>; text: string }> {
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
          return isJsonObject(value) ? resolve({ value, text }) : failed('the answer is no object');
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

/**
 * The provider's keys: asked for when first needed, and again when a token names one that is not known. What is known stays good
 * meanwhile, and where the provider does not answer: other people's tokens must not suffer from a bad one.
 */
function providerKeys(
  { issuer, discoveryUrl, ca }: OidcOptions,
  clock: Clock,
  metrics: OidcMetrics | undefined,
): (isStale: boolean) => Keys | Promise<Keys> {
  let known: Keys | undefined;
  let asked: Promise<Keys> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  const load = async (): Promise<Keys> => {
    askedMs = clock.monotonic();
    try {
      const { value: discovered } = await fetchJson(discoveryUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, ca);
      if (discovered.issuer !== issuer)
        throw new Error(
          `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(discovered.issuer)}`,
        );
      const { value: keys, text } = await fetchJson(String(discovered.jwks_uri), ca).catch((error: unknown) => {
        metrics?.keysFetched(issuer, undefined);
        throw error;
      });
      metrics?.keysFetched(issuer, text);
      // jose looks at what it holds.
      known = createLocalJWKSet(keys as unknown as JSONWebKeySet);
      return known;
    } finally {
      asked = undefined;
    }
  };
  return (isStale) => {
    if (known !== undefined && !isStale) return known;
    // A provider that has never answered is asked again with the next token.
    if (known !== undefined && asked === undefined && clock.monotonic() - askedMs <= refreshMs) return known;
    asked ??= load();
    return asked;
  };
}

function claimsOf(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined; // no JWT: somebody else's token
  }
}

/** How far a token's provider may be ahead of this clock. */
const leewaySeconds = 60;

/** The end of Go's years, and where its times begin. */
const [lastSecond, firstSecond] = [253_402_300_799, -62_135_596_800];

/** As Go prints a time; what is none as its zero. */
function goTime(seconds: number | undefined): string {
  const bounded = Math.max(firstSecond, Math.min(lastSecond, seconds ?? firstSecond));
  return new Date(bounded * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' +0000 UTC');
}

/** Throws for claims that no signature makes good. A token that never ends is one that has ended long ago. */
function checkClaims({ aud, exp, nbf }: JWTPayload, wanted: readonly string[], nowSeconds: number): void {
  const refused = (why: string) => new Error(`oidc: verify token: oidc: ${why}`);
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (!wanted.some((audience) => audiences.includes(audience)))
    throw refused(`expected audience in ${JSON.stringify([...wanted].sort())} got ${JSON.stringify(audiences)}`);
  const secondsOf = (value: unknown) => (typeof value === 'number' ? value : undefined);
  const ends = secondsOf(exp);
  if (ends === undefined || ends < nowSeconds) throw refused(`token is expired (Token Expiry: ${goTime(ends)})`);
  const begins = secondsOf(nbf);
  if (begins !== undefined && begins > nowSeconds + leewaySeconds)
    throw refused(`current time ${goTime(nowSeconds)} before the nbf (not before) time: ${goTime(begins)}`);
}

export function oidcTokens(options: OidcOptions, clock: Clock, metrics?: OidcMetrics): TokenAuthenticator {
  const keysOf = providerKeys(options, clock, metrics);
  const algorithms = [...options.algorithms];
  const verify = async (token: string): Promise<void> => {
    const isBy = (key: CryptoKey) =>
      compactVerify(token, key, { algorithms }).then(
        () => true,
        () => false,
      );
    const check = async (isStale: boolean): Promise<void> => {
      const keys = await keysOf(isStale);
      try {
        await compactVerify(token, keys, { algorithms });
      } catch (error) {
        if (!(error instanceof joseErrors.JWKSMultipleMatchingKeys)) throw error;
        // The token does not say by which.
        for await (const key of error) if (await isBy(key)) return;
        throw new joseErrors.JWSSignatureVerificationFailed();
      }
    };
    try {
      await check(false).catch((error: unknown) => {
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
      if (token.split('.').length !== 3) return undefined;
      const claims = claimsOf(token);
      if (claims?.iss !== options.issuer) return undefined;
      const startedMs = clock.monotonic();
      const measured = (result: 'success' | 'failure') =>
        metrics?.authenticated(options.issuer, result, (clock.monotonic() - startedMs) / 1000);
      try {
        // What is easily seen first: for a token that is no good anyway the provider need not be asked for its keys.
        checkClaims(claims, options.audiences, clock.now() / 1000);
        await verify(token);
        const user = userOfClaims(claims, options.mapping);
        measured('success');
        return { user };
      } catch (error) {
        measured('failure');
        throw error;
      }
    },
  };
}
