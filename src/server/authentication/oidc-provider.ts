/** An OpenID Connect provider: its configuration and keys, asked for when they are needed, and what they say of a token. */
import { get as getPlain } from 'node:http';
import { get } from 'node:https';
import {
  type CryptoKey,
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  type JWTPayload,
  errors as joseErrors,
} from 'jose';
import { isJsonObject } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { OidcMetrics } from '../metrics/oidc-metrics.ts';
import { connectionProblem } from '../webhook/go-words.ts';

export interface ProviderOptions {
  issuer: string;
  /** Where its configuration is, if not below the issuer's URL. */
  discoveryUrl?: string;
  /** Whom its tokens may be for: one of these. */
  audiences: readonly string[];
  /** PEM; default: the authorities of the system. */
  ca?: string;
  /** By which its tokens may be signed. */
  algorithms: readonly string[];
}

const timeoutMs = 30_000;
const maxDocumentBytes = 1024 * 1024;
const maxRedirects = 10;
/** The provider is not asked for its keys again before this, whatever tokens come. */
const refreshMs = 10_000;

export interface FetchOptions {
  clock: Clock;
  /** PEM; default: the authorities of the system. */
  ca?: string | undefined;
  headers?: Record<string, string>;
}

/** Who was asked has answered, but not with a document. */
export class RefusedDocument extends Error {
  /** `401 Unauthorized`. */
  readonly status: string;
  constructor(status: string, text: string) {
    super(`${status}: ${text.slice(0, 1024)}`);
    this.status = status;
  }
}

/** A document of a few kilobytes; the error says in Go's words why there is none. */
export async function fetchText(url: string, { clock, ca, headers = {} }: FetchOptions, redirects = 0): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const failed = (why: string) => reject(new Error(`Get ${JSON.stringify(url)}: ${why}`));
  const secure = !url.startsWith('http:');
  const sent = (secure ? get : getPlain)(url, { ...(secure && ca !== undefined ? { ca } : {}), headers }, (response) => {
    const { statusCode = 0, statusMessage = '' } = response;
    const { location } = response.headers;
    if ([301, 302, 303, 307, 308].includes(statusCode) && location !== undefined && URL.canParse(location, url)) {
      response.resume();
      if (redirects >= maxRedirects) return failed(`stopped after ${maxRedirects} redirects`);
      return resolve(fetchText(new URL(location, url).href, { clock, ca }, redirects + 1));
    }
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > maxDocumentBytes) giveUp('the answer is too large');
    });
    response.on('error', (error) => failed(connectionProblem(error)));
    response.on('end', () => {
      if (statusCode === 200) resolve(text);
      else reject(new RefusedDocument(`${statusCode} ${statusMessage}`, text));
    });
  });
  const giveUp = (why: string) => {
    failed(why);
    sent.destroy();
  };
  sent.on('error', (error) => failed(connectionProblem(error)));
  // Of the whole: an answer that comes in byte by byte keeps everybody waiting whom the provider knows.
  const timer = clock.setTimer(timeoutMs, () => giveUp('context deadline exceeded'));
  return promise.finally(() => timer.cancel());
}

async function fetchJson(url: string, options: FetchOptions): Promise<{ value: Record<string, unknown>; text: string }> {
  const failed = (why: string) => new Error(`oidc: fetching ${url}: ${why}`);
  const text = await fetchText(url, options);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw failed('the answer is no JSON');
  }
  if (!isJsonObject(value)) throw failed('the answer is no object');
  return { value, text };
}

type Keys = ReturnType<typeof createLocalJWKSet>;

/**
 * The provider's keys: asked for when first needed, and again when a token names one that is not known. What is known stays good
 * meanwhile, and where the provider does not answer: other people's tokens must not suffer from a bad one.
 */
function providerKeys(
  { issuer, discoveryUrl, ca }: ProviderOptions,
  clock: Clock,
  metrics: OidcMetrics | undefined,
): { keysOf(isStale: boolean): Keys | Promise<Keys>; discover(): Promise<string> } {
  let known: Keys | undefined;
  let asked: Promise<Keys> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  /** Where its keys are. */
  const discover = async (): Promise<string> => {
    const { value } = await fetchJson(discoveryUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, { clock, ca });
    const { issuer: told = '', jwks_uri: keysUrl } = value;
    if (told !== issuer)
      throw new Error(
        `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(told)}`,
      );
    if (typeof keysUrl !== 'string' || keysUrl === '') throw new Error('provider did not return JWKS URL');
    return keysUrl;
  };
  const load = async (): Promise<Keys> => {
    askedMs = clock.monotonic();
    try {
      const { value: keys, text } = await fetchJson(await discover(), { clock, ca }).catch((error: unknown) => {
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
  return {
    discover,
    keysOf(isStale) {
      if (known !== undefined && !isStale) return known;
      // A provider that has never answered is asked again with the next token.
      if (known !== undefined && asked === undefined && clock.monotonic() - askedMs <= refreshMs) return known;
      asked ??= load();
      return asked;
    },
  };
}

/** What an unverified token says; undefined for what is none. */
export function claimsOf(token: string): JWTPayload | undefined {
  if (token.split('.').length !== 3) return undefined;
  try {
    return decodeJwt(token);
  } catch {
    return undefined; // no JWT: somebody else's token
  }
}

/** Who says that a token is from them. Google's have a name of their own. */
export const issuerOf = ({ iss }: JWTPayload): unknown => (iss === 'accounts.google.com' ? 'https://accounts.google.com' : iss);

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

/** As Go prints a list of strings with %q. */
const quoted = (list: readonly unknown[]) => `[${list.map((item) => JSON.stringify(item)).join(' ')}]`;

/** Throws for claims that no signature makes good. A token that never ends is one that has ended long ago. */
function checkClaims(claims: JWTPayload, wanted: readonly string[], nowSeconds: number): void {
  const refused = (why: string) => new Error(`oidc: ${why}`);
  const { aud, exp, nbf, _claim_names: names, _claim_sources: sources } = claims;
  if (isJsonObject(names))
    for (const source of Object.values(names))
      if (!isJsonObject(sources) || !Object.hasOwn(sources, String(source))) throw refused('source does not exist');
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (!wanted.some((audience) => audiences.includes(audience)))
    throw refused(
      `expected audience ${wanted.length === 1 ? JSON.stringify(wanted[0]) : `in ${quoted([...wanted].sort())}`} got ${quoted(audiences)}`,
    );
  const secondsOf = (value: unknown) => (typeof value === 'number' ? value : undefined);
  const ends = secondsOf(exp);
  if (ends === undefined || ends < nowSeconds) throw refused(`token is expired (Token Expiry: ${goTime(ends)})`);
  const begins = secondsOf(nbf);
  if (begins !== undefined && begins > nowSeconds + leewaySeconds)
    throw refused(`current time ${goTime(nowSeconds)} before the nbf (not before) time: ${goTime(begins)}`);
}

function checkAlgorithm(token: string, algorithms: readonly string[]): void {
  const { alg } = decodeProtectedHeader(token);
  if (typeof alg !== 'string' || !algorithms.includes(alg))
    throw new Error(`oidc: id token signed with unsupported algorithm, expected ${quoted(algorithms)} got ${JSON.stringify(alg ?? '')}`);
}

/** Throws, in go-oidc's words, for a token that is not of the provider or not for this cluster. */
export type TokenVerifier = (token: string, claims: JWTPayload) => Promise<void>;

export interface Provider {
  verify: TokenVerifier;
  /** Throws where it does not say who it is, and where its keys are. */
  check(): Promise<void>;
}

export function openProvider(options: ProviderOptions, clock: Clock, metrics?: OidcMetrics): Provider {
  const { keysOf, discover } = providerKeys(options, clock, metrics);
  const algorithms = [...options.algorithms];
  const check = async (token: string, isStale: boolean): Promise<void> => {
    const keys = await keysOf(isStale);
    const isBy = (key: CryptoKey) =>
      compactVerify(token, key, { algorithms }).then(
        () => true,
        () => false,
      );
    try {
      await compactVerify(token, keys, { algorithms });
    } catch (error) {
      if (!(error instanceof joseErrors.JWKSMultipleMatchingKeys)) throw error;
      // The token does not say by which.
      for await (const key of error) if (await isBy(key)) return;
      throw new joseErrors.JWSSignatureVerificationFailed();
    }
  };
  const verify: TokenVerifier = async (token, claims) => {
    // What is easily seen first: for a token that is no good anyway the provider need not be asked for its keys.
    checkClaims(claims, options.audiences, clock.now() / 1000);
    checkAlgorithm(token, algorithms);
    try {
      await check(token, false).catch((error: unknown) => {
        // Its provider may have new keys by now.
        if (error instanceof joseErrors.JWKSNoMatchingKey || error instanceof joseErrors.JWSSignatureVerificationFailed)
          return check(token, true);
        throw error;
      });
    } catch (error) {
      if (error instanceof joseErrors.JOSEError) throw new Error('failed to verify signature: failed to verify id token signature');
      throw error;
    }
  };
  return {
    verify,
    async check() {
      await discover();
    },
  };
}
